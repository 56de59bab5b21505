//! Clients that share transfers, disconnect, stall, or send requests that cannot be carried out.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use base64::prelude::{BASE64_URL_SAFE, Engine as _};
use windlass_testing::{Gate, ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, Registry};

use super::{TestDaemon, assert_downloaded, read_response, read_until, request, start_pull};
use crate::harness::{DEADLINE, PLATFORM, Windlass};

/// About half the size of the layer.
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

/// Sends a request with a body, which may be shorter than announced.
fn send(daemon: &TestDaemon, head: &str, body: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(&daemon.socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(
        stream,
        "POST {head}\r\nhost: d\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    stream
}

#[test]
fn a_disconnect_does_not_affect_other_clients_of_a_transfer() {
    let registry = Registry::start();
    let (image, gate) = slow(&registry);
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let mut stays = start_pull(&daemon, &registry, "app:1");
    read_until(&mut stays, &half_way());
    let mut leaves = start_pull(&daemon, &registry, "app:1");
    read_until(&mut leaves, &half_way());
    drop(leaves);
    daemon.wait_for_log(1, LEFT);
    gate.open();
    let mut rest = String::new();
    stays.read_to_string(&mut rest).unwrap();
    assert_downloaded(&rest, &registry, "app:1");
    assert_eq!(
        registry.requested_ranges(&image.layers[0].digest),
        ["whole"]
    );
}

#[test]
fn a_transfer_stops_when_its_last_client_disconnects_and_is_resumed() {
    let registry = Registry::start();
    let (image, gate) = slow(&registry);
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let mut clients = [1, 2].map(|_| start_pull(&daemon, &registry, "app:1"));
    for client in &mut clients {
        read_until(client, &half_way());
    }
    drop(clients);
    daemon.wait_for_log(2, LEFT);
    gate.open();
    let response = read_response(&mut start_pull(&daemon, &registry, "app:1"));
    assert_downloaded(&response.body, &registry, "app:1");
    let rest = format!("bytes={HALF}-");
    let layer = image.layers[0].digest;
    assert_eq!(registry.requested_ranges(&layer), ["whole", &rest]);
}

/// The progress of so many layers exceeds the socket's buffer; the pull of the client that does not read completes,
/// too.
#[test]
fn a_client_that_does_not_read_does_not_block_others() {
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
    let daemon = TestDaemon::start(&windlass, &[]);
    let mut unread = start_pull(&daemon, &registry, "many:1");
    let response = read_response(&mut start_pull(&daemon, &registry, "app:1"));
    assert_downloaded(&response.body, &registry, "app:1");
    daemon.wait_for_log(2, " pulled ");
    assert_eq!(
        daemon.get("/images/json").json().as_array().unwrap().len(),
        2
    );
    let response = read_response(&mut unread);
    assert_downloaded(&response.body, &registry, "many:1");
}

#[test]
fn errors_are_a_status_before_the_first_byte_and_a_line_after_it() {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1000));
    let image = registry.push(image, "app:1");
    registry.blob(&image.layers[0].digest).status(404).forever();
    let windlass = Windlass::with(&registry);
    let daemon = TestDaemon::start(&windlass, &[]);
    let response = read_response(&mut start_pull(&daemon, &registry, "app:2"));
    assert_eq!(response.status, 404, "{}", response.body);
    insta::assert_snapshot!(windlass.comparable(response.body.as_bytes()), @r#"{"message":"manifest for registry.test/app:2 not found: manifest unknown: manifest unknown"}"#);
    let response = read_response(&mut start_pull(&daemon, &registry, "app:1"));
    assert_eq!(response.status, 200);
    let last: serde_json::Value =
        serde_json::from_str(response.body.lines().last().unwrap()).unwrap();
    assert!(last["errorDetail"]["message"].is_string(), "{last}");
    assert_eq!(last["error"], last["errorDetail"]["message"]);
}

#[test]
fn truncated_uploads_are_not_stored() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let half = LayerBuilder::of_size(1 << 20).tar();
    let mut bodies = Vec::new();
    for (path, is_load) in [
        ("/images/load", true),
        ("/images/create?fromSrc=-&repo=a", false),
    ] {
        let head = format!("{path} HTTP/1.1\r\ncontent-length: {}", half.len() + 1);
        let mut cut = send(&daemon, &head, &half);
        cut.shutdown(Shutdown::Write).unwrap();
        let response = read_response(&mut cut);
        assert_eq!(
            response.status,
            if is_load { 400 } else { 200 },
            "{}",
            response.body
        );
        bodies.push(response.body.clone());
        drop(send(&daemon, &head, &half));
    }
    insta::assert_snapshot!(windlass.comparable(bodies.concat().as_bytes()), @r#"
    {"message":"the archive is incomplete"}
    E9
    {"errorDetail":{"message":"cannot read it: error reading a body from connection: end of file before message length reached"},"error":"cannot read it: error reading a body from connection: end of file before message length reached"}

    0
    "#);
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
    let daemon = TestDaemon::start(&windlass, &[]);
    read_response(&mut start_pull(&daemon, &registry, "app:1"));
    let path = format!("/images/get?names={}", registry.name("app:1"));
    let mut save = super::send_request(&daemon.socket, "GET", &path);
    let head = read_until(&mut save, "\r\n\r\n");
    assert_eq!(head.lines().next(), Some("HTTP/1.0 200 OK"), "{head}");
    drop(save);
    daemon.wait_for_log(1, "save failed");
}

/// Each stalled client occupies a thread. Other clients get their responses all the same.
#[test]
fn clients_that_stall_do_not_use_up_the_threads() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let head = "/images/create?fromSrc=- HTTP/1.1\r\ncontent-length: 1024";
    let stalled: Vec<_> = (0..600).map(|_| send(&daemon, head, b"")).collect();
    assert_eq!(daemon.get("/images/json").body, "[]\n");
    drop(stalled);
    let mut late = send(&daemon, head, &[0; 1024]);
    insta::assert_snapshot!(windlass.comparable(read_response(&mut late).body.as_bytes()), @r#"
    56
    {"status":"sha256:[digest]"}

    0
    "#);
}

#[test]
fn an_image_that_is_damaged_is_listed_beside_the_others() {
    let registry = Registry::start();
    let windlass = Windlass::with(&registry);
    let images = [1, 2].map(|seed| {
        let image = ImageBuilder::new()
            .platform(PLATFORM)
            .layer(LayerBuilder::of_size_seeded(1000, seed));
        registry.push(image, &format!("app:{seed}"))
    });
    for tag in ["app:1", "app:2"] {
        windlass.pull(&registry.name(tag));
    }
    let daemon = TestDaemon::start(&windlass, &[]);
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
    insta::assert_snapshot!(daemon.logged(&windlass, "is listed without"), @r"
    WARN the documents of an image are damaged: it is listed without details id=sha256:[digest] error=sha256:[digest] is damaged on disk; pull the image again
    WARN the documents of an image are damaged: it is listed without details id=sha256:[digest] error=sha256:[digest] is damaged on disk; pull the image again
    ");
}

/// `docker push` of an image that was pulled by its index: the store has one of its platforms, so the manifest of that
/// image is pushed, and no index that names manifests which the registry would not have.
#[test]
fn pushing_one_platform_of_an_index_pushes_its_manifest() {
    let image = |platform: &str| {
        let layer = LayerBuilder::of_size(9);
        ImageBuilder::new().platform(platform).layer(layer).pack()
    };
    let index = IndexBuilder::new()
        .image(image(PLATFORM))
        .image(image("linux/s390x"))
        .pack();
    let from = Registry::start();
    let index = from.push_index(index, "app:1");
    let to = Registry::builder().writable().start();
    let windlass = Windlass::with(&to);
    windlass.pull(&from.name("app:1"));
    windlass.stdout(["tag", &from.name("app:1"), &to.name("app:1")]);
    let daemon = TestDaemon::start(&windlass, &[]);
    let url = format!("/images/{}/push?tag=1", to.name("app"));
    let response = request(&daemon.socket, "POST", &url);
    let last = response.body.lines().last().unwrap_or_default();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    let digest = index.images[0].digest.to_string();
    assert_eq!(last["aux"]["Digest"], digest, "{}", response.body);
    let puts = to.requests().into_iter().filter(|it| it.method == "PUT");
    let manifests = puts.filter(|it| it.path.contains("/manifests/"));
    assert_eq!(
        manifests.map(|it| it.path).collect::<Vec<_>>(),
        ["/v2/app/manifests/1"]
    );
}

#[test]
fn pushing_a_missing_image_fails() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let response = request(&daemon.socket, "POST", "/images/r.test/nope/push");
    // As in Docker, the destination is reported first, so the status is 200.
    assert_eq!(response.status, 200, "{}", response.body);
    insta::assert_snapshot!(response.body, @r#"
    {"status":"The push refers to repository [r.test/nope]"}
    {"errorDetail":{"message":"An image does not exist locally with the tag: r.test/nope"},"error":"An image does not exist locally with the tag: r.test/nope"}
    "#);
}

/// E5: at no log level, and whether the header or body is valid or not.
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
    let daemon = TestDaemon::start(&windlass, &["--log-level", "trace"]);
    let auth = serde_json::json!({
        "username": "me", "password": "S3CRET-password", "serveraddress": registry.host(),
    });
    let auth = auth.to_string();
    let encoded = BASE64_URL_SAFE.encode(&auth);
    let name = registry.name("app");
    for header in [&encoded, &encoded[1..], "S3CRET-garbage"] {
        let head =
            format!("/images/create?fromImage={name}&tag=1 HTTP/1.0\r\nx-registry-auth: {header}");
        read_response(&mut send(&daemon, &head, b""));
    }
    for body in [&auth, "S3CRET-garbage", r#"{"password":["S3CRET"]}"#] {
        let head = format!("/auth HTTP/1.0\r\ncontent-length: {}", body.len());
        read_response(&mut send(&daemon, &head, body.as_bytes()));
    }
    daemon.wait_for_log(6, "answered");
    daemon.wait_for_log(1, " pulled ");
    let log = daemon.log();
    for secret in ["S3CRET", &encoded[..24], &encoded[30..54]] {
        assert!(!log.contains(secret), "{log}");
    }
}
