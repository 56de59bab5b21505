//! SIGTERM: operations in progress may complete within the shutdown timeout.

use std::fs;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use windlass_testing::{Gate, ImageBuilder, LayerBuilder, PackedImage, Registry};

use super::{TestDaemon, assert_downloaded, logged, send_request};
use crate::harness::{PLATFORM, Windlass};

/// About half the size of the layer.
const HALF: u64 = 1 << 19;

fn image() -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1 << 20))
        .pack()
}

/// Starts a pull, and waits until half of its layer is downloaded.
fn start_half_way(daemon: &TestDaemon, registry: &Registry) -> (UnixStream, Gate, PackedImage) {
    let image = registry.push(image(), "app:1");
    let gate = registry.blob(&image.layers[0].digest).hold_after(HALF);
    let name = registry.name("app");
    let path = format!("/images/create?fromImage={name}&tag=1&platform={PLATFORM}");
    let mut stream = send_request(&daemon.socket, "POST", &path);
    let expected = format!("\"current\":{HALF},");
    let mut text = String::new();
    while !text.contains(&expected) {
        let mut byte = [0];
        std::io::Read::read_exact(&mut stream, &mut byte).unwrap();
        text.push(byte[0].into());
    }
    (stream, gate, image)
}

#[test]
fn operations_may_complete_after_sigterm() {
    let registry = Registry::start();
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &["--shutdown-timeout", "600"]);
    let (mut stream, gate, _) = start_half_way(&daemon, &registry);
    // The stream of events never ends, and the shutdown does not wait for it.
    let _listening = send_request(&daemon.socket, "GET", "/events");
    daemon.send(Signal::TERM);
    let text = daemon.wait_for_notification("STOPPING=1");
    insta::assert_snapshot!(text, @r"
    STOPPING=1
    EXTEND_TIMEOUT_USEC=630000000
    ");
    gate.open();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stream, &mut rest).unwrap();
    assert_downloaded(&rest, &registry, "app:1");
    let socket = daemon.socket.clone();
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(!socket.exists());
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 1);
}

#[test]
fn operations_are_cancelled_after_the_timeout_and_resumed_later() {
    let registry = Registry::start();
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &["--shutdown-timeout", "0"]);
    let (_stream, gate, image) = start_half_way(&daemon, &registry);
    let log = windlass.path("log");
    assert_eq!(daemon.stop().code(), Some(0));
    let log = fs::read_to_string(log).unwrap();
    let log = logged(&windlass, &log, "cancelled");
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r"
    INFO a pull was cancelled: its client disconnected
    WARN cancelled the requests that did not finish in time connections=1
    ");
    gate.open();
    windlass.pull(&registry.name("app:1"));
    let rest = format!("bytes={HALF}-");
    let layer = image.layers[0].digest;
    assert_eq!(registry.requested_ranges(&layer), ["whole", &rest]);
}

/// Commands on the control socket may complete as well.
#[test]
fn commands_may_complete_after_sigterm() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let gate = registry.blob(&image.layers[0].digest).hold_after(HALF);
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &["--shutdown-timeout", "600"]);
    let name = registry.name("app:1");
    let mut pull = windlass.command(["pull", "-q", "--platform", PLATFORM, &name]);
    let mut pull = pull.spawn().unwrap();
    gate.wait_for(1);
    daemon.send(Signal::TERM);
    daemon.wait_for_notification("STOPPING=1");
    gate.open();
    assert!(pull.wait().unwrap().success());
    assert_eq!(daemon.wait().code(), Some(0));
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 1);
}

#[test]
fn a_second_signal_stops_the_daemon_at_once() {
    let registry = Registry::start();
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &["--shutdown-timeout", "600"]);
    let (_stream, gate, _) = start_half_way(&daemon, &registry);
    daemon.send(Signal::TERM);
    daemon.wait_for_notification("STOPPING=1");
    daemon.send(Signal::INT);
    assert_eq!(daemon.wait().code(), Some(130));
    gate.open();
    // The store is intact, and the next daemon starts.
    let daemon = TestDaemon::start(&windlass, &[]);
    assert_eq!(daemon.get("/_ping").body, "OK");
}

/// The shutdown does not wait for idle connections.
#[test]
fn idle_connections_do_not_delay_the_shutdown() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &["--shutdown-timeout", "600"]);
    let mut idle = UnixStream::connect(&daemon.socket).unwrap();
    assert_eq!(daemon.get("/_ping").body, "OK");
    assert!(daemon.stop().success());
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut idle, &mut rest).unwrap();
    assert!(rest.is_empty());
}
