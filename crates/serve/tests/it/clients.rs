//! What clients may cost: connections, patience, memory.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use windlass_serve::{Limits, ServeConfig};
use windlass_testing::{ImageBuilder, LayerBuilder};

use crate::harness::{Said, Serving, Stored, image};

const SOON: Duration = Duration::from_millis(200);

fn limited(stored: &Stored, limits: Limits) -> Serving {
    let config = ServeConfig {
        limits,
        ..ServeConfig::default()
    };
    Serving::start(&stored.root(), config)
}

/// Larger than what sockets hold for those who do not read.
fn heavy() -> ImageBuilder {
    ImageBuilder::new().layer(LayerBuilder::of_size(32 << 20))
}

#[test]
fn who_says_nothing_or_too_little_is_left() {
    let (stored, _) = Stored::with(image("a"), &["app:1"]);
    let limits = Limits {
        head: SOON,
        ..Limits::default()
    };
    let serving = limited(&stored, limits);
    let whole = "GET /v2/app/manifests/1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (said_first, answers) in [("", 0), ("GET /v2/ HT", 0), (whole, 1)] {
        let mut stream = serving.connect();
        stream.write_all(said_first.as_bytes()).unwrap();
        let mut said = Vec::new();
        drop(stream.read_to_end(&mut said));
        let said = String::from_utf8_lossy(&said);
        assert_eq!(
            said.matches("HTTP/1.1 200").count(),
            answers,
            "{said_first:?}: {said}"
        );
    }
}

#[test]
fn who_stops_reading_is_left() {
    let (stored, image) = Stored::with(heavy(), &["app:1"]);
    let limits = Limits {
        write: SOON,
        ..Limits::default()
    };
    let serving = limited(&stored, limits);
    let layer = &image.layers[0];
    let mut stream = serving.connect();
    let request = format!(
        "GET /v2/app/blobs/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        layer.digest
    );
    stream.write_all(request.as_bytes()).unwrap();
    // The server's note is made when it has given up.
    while serving.answered.lock().unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let answered = serving.answered.lock().unwrap()[0].clone();
    assert!(
        !answered.is_complete && answered.bytes < layer.size,
        "{answered:?}"
    );
    let mut said = Vec::new();
    drop(stream.read_to_end(&mut said));
    assert!((said.len() as u64) < layer.size);
    // The others are served.
    let whole = serving.get(&format!("/v2/app/blobs/{}", layer.digest));
    assert!(whole.body == layer.bytes);
}

#[test]
fn who_comes_when_there_are_too_many_is_told_so() {
    let (stored, _) = Stored::with(image("a"), &["app:1"]);
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let serving = limited(&stored, limits);
    let request = "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = serving.connect();
            stream.write_all(request.as_bytes()).unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            stream
        })
        .collect();
    let said = serving.get("/v2/");
    assert_eq!(said.error(), (503, "TOOMANYREQUESTS".to_owned()));
    assert_eq!(said.field("retry-after"), "1");
    drop(held);
    // As soon as it is noticed that they left.
    while serving.get("/v2/").status != 200 {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// An image may be removed while it is sent: who has begun gets all of it.
#[test]
fn what_is_being_sent_is_sent_to_its_end() {
    let (stored, image) = Stored::with(heavy(), &["app:1"]);
    let serving = stored.serve();
    let layer = &image.layers[0];
    let mut stream = serving.connect();
    let request = format!(
        "GET /v2/app/blobs/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        layer.digest
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut said = vec![0];
    stream.read_exact(&mut said).unwrap();
    stored.remove("app:1");
    assert!(!stored.file_of(&layer.digest).exists());
    stream.read_to_end(&mut said).unwrap();
    assert!(Said::parse(&said).body == layer.bytes);
    assert_eq!(
        serving
            .get(&format!("/v2/app/blobs/{}", layer.digest))
            .status,
        404
    );
}

/// Answers that are on their way are finished; who is idle is not waited for, and who does not read is cut.
#[test]
fn the_end_waits_for_answers_but_not_for_ever() {
    let (stored, image) = Stored::with(heavy(), &["app:1"]);
    let request = format!(
        "GET /v2/app/blobs/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        image.layers[0].digest
    );
    let begun = |serving: &Serving| {
        let mut stream = serving.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = vec![0];
        stream.read_exact(&mut said).unwrap();
        (stream, said)
    };
    let serving = stored.serve();
    let idle = serving.connect();
    let (mut stream, mut said) = begun(&serving);
    let reading = std::thread::spawn(move || {
        stream.read_to_end(&mut said).unwrap();
        Said::parse(&said).body
    });
    assert_eq!(serving.stop().cut, 0);
    assert!(reading.join().unwrap() == image.layers[0].bytes);
    drop(idle);

    let limits = Limits {
        drain: SOON,
        ..Limits::default()
    };
    let serving = limited(&stored, limits);
    let slow = begun(&serving);
    assert_eq!(serving.stop().cut, 1);
    drop(slow);
}
