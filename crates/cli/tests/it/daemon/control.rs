//! The control socket: malformed messages, unexpected descriptors, disconnects, and held images.

use std::fs;
use std::io::{BufRead as _, BufReader, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use super::{TestDaemon, read_response, request, start_pull};
use crate::harness::{DEADLINE, PLATFORM, Windlass};

const HOLD: &str = "{\"request\":\"hold\"}\n";

fn handshake() -> String {
    format!("{{\"windlass\":\"{}\"}}\n", env!("CARGO_PKG_VERSION"))
}

fn connect(windlass: &Windlass) -> UnixStream {
    let stream = UnixStream::connect(windlass.root().join("daemon.sock")).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends `bytes` and returns everything that the daemon sends until it disconnects.
fn exchange(windlass: &Windlass, bytes: &[u8]) -> String {
    let mut stream = connect(windlass);
    drop(stream.write_all(bytes));
    let mut received = Vec::new();
    drop(stream.read_to_end(&mut received));
    String::from_utf8(received).unwrap()
}

/// Keeps all images of the daemon until the returned connection is dropped.
fn hold(windlass: &Windlass) -> UnixStream {
    let stream = connect(windlass);
    (&stream)
        .write_all((handshake() + HOLD).as_bytes())
        .unwrap();
    let mut lines = BufReader::new(&stream).lines();
    assert_eq!(lines.next().unwrap().unwrap() + "\n", handshake());
    assert_eq!(
        lines.next().unwrap().unwrap(),
        r#"{"response":"done","result":{"result":"completed"}}"#
    );
    stream
}

#[test]
fn malformed_messages_end_the_connection() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &["--log-level", "debug"]);
    let before = daemon.descriptors();
    assert_eq!(exchange(&windlass, b"GET / HTTP/1.1\r\n\r\n"), "");
    assert_eq!(exchange(&windlass, b"\xff\xfe\n"), "");
    assert_eq!(exchange(&windlass, &vec![b'['; 9 << 20]), "");
    assert_eq!(
        exchange(&windlass, b"{\"windlass\":\"0.0.0\"}\n"),
        handshake()
    );
    for request in [
        "{}\n",
        "\n",
        "{\"request\":\"nope\"}\n",
        "{\"request\":\"tag\",\"source\":1}\n",
    ] {
        assert_eq!(
            exchange(&windlass, (handshake() + request).as_bytes()),
            handshake(),
            "{request}"
        );
    }
    let deep = handshake() + &"{\"request\":".repeat(100_000) + "\n";
    assert_eq!(exchange(&windlass, deep.as_bytes()), handshake());
    let remove = handshake() + "{\"request\":\"remove\",\"name\":\"../\\u0000\",\"force\":true}\n";
    let response = exchange(&windlass, remove.as_bytes());
    insta::assert_snapshot!(response.strip_prefix(&handshake()).unwrap(), @r#"{"response":"failed","report":{"code":"invalid_reference","message":"invalid reference \"../\\0\": \"..\" is not a host or host:port","tried":[],"hint":null}}"#);
    daemon.wait_for_descriptors(before);
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

/// Descriptors with requests that take none, and more than one, are closed.
#[test]
fn unexpected_descriptors_are_closed() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let before = daemon.descriptors();
    let file = fs::File::open("/dev/null").unwrap();
    for count in [1, 4, 100] {
        let files = vec![file.as_fd(); count];
        for text in [handshake(), handshake() + HOLD, "garbage\n".to_owned()] {
            let stream = connect(&windlass);
            let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(100))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
            let text = [IoSlice::new(text.as_bytes())];
            sendmsg(&stream, &text, &mut control, SendFlags::empty()).unwrap();
        }
    }
    daemon.wait_for_descriptors(before);
    drop(hold(&windlass));
}

#[test]
fn commands_may_disconnect_at_any_point() {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1 << 20));
    let image = registry.push(image, "app:1");
    let gate = registry.blob(&image.layers[0].digest).hold_after(1 << 19);
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let before = daemon.descriptors();
    let whole = handshake() + HOLD;
    for length in 0..whole.len() {
        connect(&windlass)
            .write_all(&whole.as_bytes()[..length])
            .unwrap();
    }
    daemon.wait_for_descriptors(before);
    let name = registry.name("app:1");
    let pull = windlass.command(["pull", "-q", "--platform", PLATFORM, &name]);
    let mut pull = { pull }.spawn().unwrap();
    gate.wait_for(1);
    pull.kill().unwrap();
    pull.wait().unwrap();
    daemon.wait_for_log(1, "a pull was cancelled: its client disconnected");
    gate.open();
    assert_eq!(daemon.get("/images/json").body, "[]\n");
}

/// R6: a removal takes effect on names at once, and on blobs when the last hold ends.
#[test]
fn held_blobs_remain_until_the_last_hold_ends() {
    let registry = Registry::start();
    for (seed, name) in [(1, "a:1"), (2, "b:1"), (3, "c:1"), (4, "d:1")] {
        let image = ImageBuilder::new()
            .platform(PLATFORM)
            .layer(LayerBuilder::of_size_seeded(1000, seed));
        registry.push(image, name);
    }
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    for name in ["a:1", "b:1", "c:1", "d:1"] {
        read_response(&mut start_pull(&daemon, &registry, name));
    }
    let kept = || {
        let count = |path: &str| fs::read_dir(windlass.root().join(path)).unwrap().count();
        (count("layers/sha256"), count("blobs/sha256"))
    };
    let remove = |name: &str| {
        let path = format!("/images/{}", registry.name(name));
        assert_eq!(request(&daemon.socket, "DELETE", &path).status, 200);
    };
    let all = kept();
    let [first, second] = [hold(&windlass), hold(&windlass)];
    remove("a:1");
    let prune = "/images/prune?filters=%7B%22dangling%22:[%22false%22]%7D";
    assert_eq!(kept(), all);
    drop(first);
    remove("b:1");
    assert_eq!(kept(), all);
    drop(second);
    // The daemon notices the end of the connection some time later; the next deletions show it.
    let until = std::time::Instant::now() + DEADLINE;
    remove("c:1");
    while kept().0 > 1 {
        assert!(std::time::Instant::now() < until);
        assert_eq!(request(&daemon.socket, "POST", "/images/prune").status, 200);
    }
    let third = hold(&windlass);
    let one = kept();
    assert_eq!(request(&daemon.socket, "POST", prune).status, 200);
    assert_eq!(daemon.get("/images/json").body, "[]\n");
    assert_eq!(kept(), one);
    drop(third);
    while kept() != (0, 0) {
        assert!(std::time::Instant::now() < until, "{:?}", kept());
        assert_eq!(request(&daemon.socket, "POST", "/images/prune").status, 200);
    }
}
