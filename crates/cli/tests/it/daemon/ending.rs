//! SIGTERM: what runs may end, for a while.

use std::fs;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use windlass_testing::{Gate, ImageBuilder, LayerBuilder, PackedImage, Registry};

use super::{Running, begin};
use crate::harness::{PLATFORM, Windlass};

/// Half of what the image has, but for the headers of its tar.
const HALF: u64 = 1 << 19;

fn image() -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1 << 20))
        .pack()
}

/// Begins a pull whose only layer stops half way, and waits until it is there.
fn begin_half_way(daemon: &Running, registry: &Registry) -> (UnixStream, Gate, PackedImage) {
    let image = registry.push(image(), "app:1");
    let gate = registry.blob(&image.layers[0].digest).hold_after(HALF);
    let name = registry.name("app");
    let path = format!("/images/create?fromImage={name}&tag=1&platform={PLATFORM}");
    let mut stream = begin(&daemon.socket, "POST", &path);
    let expected = format!("\"current\":{HALF},");
    let mut told = String::new();
    while !told.contains(&expected) {
        let mut byte = [0];
        std::io::Read::read_exact(&mut stream, &mut byte).unwrap();
        told.push(byte[0].into());
    }
    (stream, gate, image)
}

#[test]
fn what_runs_may_end() {
    let registry = Registry::start();
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &["--shutdown-timeout", "600"]);
    let (mut stream, gate, _) = begin_half_way(&daemon, &registry);
    // One that never ends is not waited for.
    let _listening = begin(&daemon.socket, "GET", "/events");
    daemon.send(Signal::TERM);
    let told = daemon.hear("STOPPING=1");
    assert!(told.contains("EXTEND_TIMEOUT_USEC=630000000"), "{told}");
    gate.open();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stream, &mut rest).unwrap();
    assert!(rest.contains("Downloaded newer image"), "{rest}");
    let socket = daemon.socket.clone();
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(!socket.exists());
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 1);
}

#[test]
fn what_does_not_end_is_left_and_gone_on_with() {
    let registry = Registry::start();
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &["--shutdown-timeout", "0"]);
    let (_stream, gate, image) = begin_half_way(&daemon, &registry);
    let log = windlass.path("log");
    assert_eq!(daemon.stop().code(), Some(0));
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("cancelled the requests that did not finish in time"),
        "{log}"
    );
    assert!(
        log.contains("a pull was cancelled: its client disconnected"),
        "{log}"
    );
    gate.open();
    windlass.pull(&registry.name("app:1"));
    let rest = format!("bytes={HALF}-");
    let layer = image.layers[0].digest;
    assert_eq!(registry.requested_ranges(&layer), ["whole", &rest]);
}

/// Windlass's own commands come in by another way, and are as welcome to end.
#[test]
fn commands_may_end_as_well() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let gate = registry.blob(&image.layers[0].digest).hold_after(HALF);
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &["--shutdown-timeout", "600"]);
    let name = registry.name("app:1");
    let mut pull = windlass.command(["pull", "-q", "--platform", PLATFORM, &name]);
    let mut pull = pull.spawn().unwrap();
    gate.wait_for(1);
    daemon.send(Signal::TERM);
    daemon.hear("STOPPING=1");
    gate.open();
    assert!(pull.wait().unwrap().success());
    assert_eq!(daemon.wait().code(), Some(0));
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 1);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let registry = Registry::start();
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &["--shutdown-timeout", "600"]);
    let (_stream, gate, _) = begin_half_way(&daemon, &registry);
    daemon.send(Signal::TERM);
    daemon.hear("STOPPING=1");
    daemon.send(Signal::INT);
    assert_eq!(daemon.wait().code(), Some(130));
    gate.open();
    // The store does not mind, and nor does the next daemon.
    let daemon = Running::start(&windlass, &[]);
    assert_eq!(daemon.get("/_ping").body, "OK");
}

/// A client that keeps its connection has nothing to lose.
#[test]
fn connections_without_a_question_do_not_keep_it() {
    let windlass = Windlass::new();
    let daemon = Running::start(&windlass, &["--shutdown-timeout", "600"]);
    let mut idle = UnixStream::connect(&daemon.socket).unwrap();
    assert_eq!(daemon.get("/_ping").body, "OK");
    assert!(daemon.stop().success());
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut idle, &mut rest).unwrap();
    assert!(rest.is_empty());
}
