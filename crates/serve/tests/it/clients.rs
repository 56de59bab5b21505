//! The limits for clients: connections, time, memory.

use std::io::{Read as _, Write as _};
use std::thread::sleep;
use std::time::{Duration, Instant};

use windlass_serve::{ServeConfig, ServeLimits};
use windlass_testing::{ImageBuilder, LayerBuilder};

use crate::harness::{DEADLINE, HttpResponse, TestServer, TestStore, image};

/// A timeout that only clients run into which send or read nothing at all.
const SHORT: Duration = Duration::from_millis(200);

fn limited(store: &TestStore, limits: ServeLimits) -> TestServer {
    let config = ServeConfig {
        limits,
        ..ServeConfig::default()
    };
    TestServer::start(&store.root(), config)
}

/// Larger than what the sockets buffer for a client that does not read.
fn large_image() -> ImageBuilder {
    ImageBuilder::new().layer(LayerBuilder::of_size(32 << 20))
}

/// Repeats `check` until it returns true; fails at the deadline.
fn wait_until(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !check() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_client_that_sends_no_request_is_disconnected() {
    let (store, _) = TestStore::with(image("a"), &["app:1"]);
    let limits = ServeLimits {
        idle_timeout: SHORT,
        ..ServeLimits::default()
    };
    let server = limited(&store, limits);
    let mut received = Vec::new();
    server.connect().read_to_end(&mut received).unwrap();
    assert_eq!(received, b"");
}

#[test]
fn a_client_that_sends_part_of_a_request_is_disconnected() {
    let (store, image) = TestStore::with(image("a"), &["app:1"]);
    let limits = ServeLimits {
        header_timeout: SHORT,
        ..ServeLimits::default()
    };
    let server = limited(&store, limits);
    let mut stream = server.connect();
    stream.write_all(b"GET /v2/ HT").unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"");
    // A complete request is in time, however slow the machine is: its head arrives at once.
    assert_eq!(server.get("/v2/app/manifests/1").body, image.manifest);
}

#[test]
fn a_client_that_stops_reading_is_disconnected() {
    let (store, image) = TestStore::with(large_image(), &["app:1"]);
    let limits = ServeLimits {
        write_timeout: SHORT,
        ..ServeLimits::default()
    };
    let server = limited(&store, limits);
    let layer = &image.layers[0];
    let mut stream = server.connect();
    let request = format!(
        "GET /v2/app/blobs/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        layer.digest
    );
    stream.write_all(request.as_bytes()).unwrap();
    wait_until("the response is abandoned", || {
        !server.log.lock().unwrap().is_empty()
    });
    let entry = server.log.lock().unwrap()[0].clone();
    assert!(!entry.is_complete && entry.bytes < layer.size, "{entry:?}");
    let mut received = Vec::new();
    drop(stream.read_to_end(&mut received));
    assert!((received.len() as u64) < layer.size);
}

#[test]
fn connections_above_the_limit_are_refused() {
    let (store, _) = TestStore::with(image("a"), &["app:1"]);
    let limits = ServeLimits {
        connections: 2,
        ..ServeLimits::default()
    };
    let server = limited(&store, limits);
    let request = "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let open: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(request.as_bytes()).unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            stream
        })
        .collect();
    let response = server.get("/v2/");
    assert_eq!(response.error(), (503, "TOOMANYREQUESTS".to_owned()));
    assert_eq!(response.field("retry-after"), "1");
    drop(open);
    wait_until("the server notices that the clients left", || {
        server.get("/v2/").status == 200
    });
}

#[test]
fn a_blob_that_is_removed_while_it_is_sent_is_sent_to_its_end() {
    let (store, image) = TestStore::with(large_image(), &["app:1"]);
    let server = store.serve();
    let layer = &image.layers[0];
    let mut stream = server.connect();
    let request = format!(
        "GET /v2/app/blobs/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        layer.digest
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = vec![0];
    stream.read_exact(&mut response).unwrap();
    store.remove("app:1");
    assert!(!store.file_of(&layer.digest).exists());
    stream.read_to_end(&mut response).unwrap();
    assert!(HttpResponse::parse(&response).body == layer.bytes);
    let target = format!("/v2/app/blobs/{}", layer.digest);
    assert_eq!(server.get(&target).status, 404);
}

/// Responses in progress are finished. Idle connections are closed at once, and a client that does not read is cut.
#[test]
fn a_shutdown_waits_for_responses_until_the_deadline() {
    let (store, image) = TestStore::with(large_image(), &["app:1"]);
    let request = format!(
        "GET /v2/app/blobs/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        image.layers[0].digest
    );
    let begin = |server: &TestServer| {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = vec![0];
        stream.read_exact(&mut response).unwrap();
        (stream, response)
    };
    let long_drain = ServeLimits {
        drain: DEADLINE,
        ..ServeLimits::default()
    };
    let server = limited(&store, long_drain);
    let idle = server.connect();
    let (mut stream, mut response) = begin(&server);
    let reading = std::thread::spawn(move || {
        stream.read_to_end(&mut response).unwrap();
        HttpResponse::parse(&response).body
    });
    assert_eq!(server.stop().cut, 0);
    assert!(reading.join().unwrap() == image.layers[0].bytes);
    drop(idle);

    let limits = ServeLimits {
        drain: SHORT,
        ..ServeLimits::default()
    };
    let server = limited(&store, limits);
    let stalled = begin(&server);
    assert_eq!(server.stop().cut, 1);
    drop(stalled);
}
