//! Clients that share, leave, do not read, and have things in mind that cannot be done.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use base64::prelude::{BASE64_URL_SAFE, Engine as _};
use windlass_testing::{Gate, ImageBuilder, LayerBuilder, PackedImage, Registry};

use super::{Running, TOO_LONG, ask, begin_pull, read, read_until};
use crate::harness::{PLATFORM, Windlass};

/// Half of what the image has, but for the headers of its tar.
const HALF: u64 = 1 << 19;
const LEFT: &str = "a pull was cancelled: its client disconnected";

fn slow(registry: &Registry) -> (PackedImage, Gate) {
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1 << 20));
    let image = registry.push(image, "app:1");
    let gate = registry.blob(&image.layers[0].digest).hold_after(HALF);
    (image, gate)
}

fn half_way() -> String {
    format!("\"current\":{HALF},")
}

/// Puts a question with a body, of which not all need come.
fn send(daemon: &Running, head: &str, body: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(&daemon.socket).unwrap();
    stream.set_read_timeout(Some(TOO_LONG)).unwrap();
    write!(
        stream,
        "POST {head}\r\nhost: d\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    stream
}

#[test]
fn who_leaves_leaves_alone() {
    let registry = Registry::start();
    let (image, gate) = slow(&registry);
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &[]);
    let mut stays = begin_pull(&daemon, &registry, "app:1");
    read_until(&mut stays, &half_way());
    let mut leaves = begin_pull(&daemon, &registry, "app:1");
    read_until(&mut leaves, &half_way());
    drop(leaves);
    daemon.logs(1, LEFT);
    gate.open();
    let mut rest = String::new();
    stays.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("Downloaded newer image"), "{rest}");
    assert_eq!(
        registry.requested_ranges(&image.layers[0].digest),
        ["whole"]
    );
}

#[test]
fn when_all_have_left_the_transfer_stops_and_is_kept() {
    let registry = Registry::start();
    let (image, gate) = slow(&registry);
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &[]);
    let mut clients = [1, 2].map(|_| begin_pull(&daemon, &registry, "app:1"));
    for client in &mut clients {
        read_until(client, &half_way());
    }
    drop(clients);
    daemon.logs(2, LEFT);
    gate.open();
    let told = read(&mut begin_pull(&daemon, &registry, "app:1"));
    assert!(
        told.body.contains("Downloaded newer image"),
        "{}",
        told.body
    );
    let rest = format!("bytes={HALF}-");
    let layer = image.layers[0].digest;
    assert_eq!(registry.requested_ranges(&layer), ["whole", &rest]);
}

/// What is told of so many layers is more than the socket holds: the one who does not read has his image, too.
#[test]
fn a_client_that_does_not_read_keeps_nobody_waiting() {
    let registry = Registry::start();
    let layers = (0..400).map(|number| LayerBuilder::new().file(format!("layer-{number}"), b"x"));
    registry.push(
        layers.fold(ImageBuilder::new().platform(PLATFORM), ImageBuilder::layer),
        "many:1",
    );
    registry.push(
        ImageBuilder::new()
            .platform(PLATFORM)
            .layer(LayerBuilder::of_size(1000)),
        "app:1",
    );
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &[]);
    let mut unread = begin_pull(&daemon, &registry, "many:1");
    let told = read(&mut begin_pull(&daemon, &registry, "app:1"));
    assert!(
        told.body.contains("Downloaded newer image"),
        "{}",
        told.body
    );
    daemon.logs(2, " pulled ");
    assert_eq!(
        daemon.get("/images/json").json().as_array().unwrap().len(),
        2
    );
    let told = read(&mut unread);
    assert!(
        told.body.contains("Downloaded newer image"),
        "{}",
        told.body
    );
}

#[test]
fn errors_have_a_status_until_the_first_byte_and_a_line_from_then_on() {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1000));
    let image = registry.push(image, "app:1");
    registry.blob(&image.layers[0].digest).status(404).forever();
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &[]);
    let told = read(&mut begin_pull(&daemon, &registry, "app:2"));
    assert_eq!(told.status, 404, "{}", told.body);
    assert!(
        told.json()["message"]
            .as_str()
            .unwrap()
            .contains("manifest unknown")
    );
    let told = read(&mut begin_pull(&daemon, &registry, "app:1"));
    assert_eq!(told.status, 200);
    let last: serde_json::Value = serde_json::from_str(told.body.lines().last().unwrap()).unwrap();
    assert!(last["errorDetail"]["message"].is_string(), "{last}");
    assert_eq!(last["error"], last["errorDetail"]["message"]);
}

#[test]
fn what_comes_in_half_is_not_stored() {
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &[]);
    let half = LayerBuilder::of_size(1 << 20).tar();
    for (path, is_load) in [
        ("/images/load", true),
        ("/images/create?fromSrc=-&repo=a", false),
    ] {
        let head = format!("{path} HTTP/1.1\r\ncontent-length: {}", half.len() + 1);
        let mut cut = send(&daemon, &head, &half);
        cut.shutdown(Shutdown::Write).unwrap();
        let told = read(&mut cut);
        assert_eq!(
            told.status,
            if is_load { 400 } else { 200 },
            "{}",
            told.body
        );
        assert!(told.body.contains("message"), "{}", told.body);
        drop(send(&daemon, &head, &half));
    }
    assert_eq!(daemon.get("/images/json").body, "[]\n");
    assert!(daemon.stop().success());
    for directory in ["blobs", "layers", "drafts", "ingest"] {
        let left = fs::read_dir(windlass.root().join(directory)).unwrap();
        assert_eq!(left.count(), 0, "{directory}");
    }
}

#[test]
fn a_save_ends_with_its_client() {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(8 << 20));
    registry.push(image, "app:1");
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &[]);
    read(&mut begin_pull(&daemon, &registry, "app:1"));
    let path = format!("/images/get?names={}", registry.name("app:1"));
    let mut save = super::begin(&daemon.socket, "GET", &path);
    assert!(read_until(&mut save, "\r\n\r\n").contains("200 OK"));
    drop(save);
    daemon.logs(1, "save failed");
}

/// Many who send or take nothing have threads waiting for them. The others are answered.
#[test]
fn clients_that_stall_do_not_use_up_the_threads() {
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &[]);
    let head = "/images/create?fromSrc=- HTTP/1.1\r\ncontent-length: 1024";
    let stalled: Vec<_> = (0..600).map(|_| send(&daemon, head, b"")).collect();
    assert_eq!(daemon.get("/images/json").body, "[]\n");
    drop(stalled);
    let mut late = send(&daemon, head, &[0; 1024]);
    assert!(read(&mut late).body.contains("sha256:"));
}

#[test]
fn an_image_that_is_damaged_is_listed_beside_the_others() {
    let registry = Registry::start();
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &[]);
    let images = [1, 2].map(|seed| {
        let image = ImageBuilder::new()
            .platform(PLATFORM)
            .layer(LayerBuilder::of_size_seeded(1000, seed));
        registry.push(image, &format!("app:{seed}"))
    });
    for tag in ["app:1", "app:2"] {
        read(&mut begin_pull(&daemon, &registry, tag));
    }
    let config = images[0].config_digest.hex();
    let blob = windlass.root().join("blobs").join("sha256").join(&config);
    fs::write(&blob, "{}").unwrap();
    for query in ["", "?manifests=1&shared-size=1"] {
        let listed = daemon.get(&format!("/images/json{query}")).json();
        let named = |tag: &str| {
            let name = registry.name(tag);
            listed
                .as_array()
                .unwrap()
                .iter()
                .any(|image| image["RepoTags"][0] == name)
        };
        assert!(named("app:1") && named("app:2"), "{listed}");
    }
    assert!(
        daemon.log().contains("is listed without"),
        "{}",
        daemon.log()
    );
}

#[test]
fn to_push_what_is_not_here_fails() {
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &[]);
    let told = ask(&daemon.socket, "POST", "/images/r.test/nope/push");
    // As by Docker: where it goes is told first.
    assert_eq!(told.status, 200, "{}", told.body);
    let message = r#""error":"An image does not exist locally with the tag: r.test/nope""#;
    assert!(told.body.contains(message), "{}", told.body);
}

/// E5: not at any level, whether it is understood or not.
#[test]
fn secrets_are_not_logged() {
    let registry = Registry::builder().basic("me", "S3CRET-password").start();
    registry.push(
        ImageBuilder::new()
            .platform(PLATFORM)
            .layer(LayerBuilder::of_size(9)),
        "app:1",
    );
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &["--log-level", "trace"]);
    let auth = serde_json::json!({
        "username": "me", "password": "S3CRET-password", "serveraddress": registry.host(),
    });
    let auth = auth.to_string();
    let encoded = BASE64_URL_SAFE.encode(&auth);
    let name = registry.name("app");
    for header in [&encoded, &encoded[1..], "S3CRET-garbage"] {
        let head =
            format!("/images/create?fromImage={name}&tag=1 HTTP/1.0\r\nx-registry-auth: {header}");
        read(&mut send(&daemon, &head, b""));
    }
    for body in [&auth, "S3CRET-garbage", r#"{"password":["S3CRET"]}"#] {
        let head = format!("/auth HTTP/1.0\r\ncontent-length: {}", body.len());
        read(&mut send(&daemon, &head, body.as_bytes()));
    }
    let log = daemon.log();
    assert!(log.contains("answered") && log.contains("pulled"), "{log}");
    for secret in ["S3CRET", &encoded[..24], &encoded[30..54]] {
        assert!(!log.contains(secret), "{log}");
    }
}
