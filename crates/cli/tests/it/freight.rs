//! What the tests of commands that carry images share.

use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use windlass_testing::{Gate, ImageBuilder, LayerBuilder, PackedImage};

use crate::harness::{PLATFORM, Windlass};

/// An image with a layer that is sent in one request, and one that is large enough to be gone on with.
pub(crate) fn image() -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::new().file("hello", b"world"))
        .layer(LayerBuilder::of_size(3 << 20))
        .pack()
}

/// Starts a command whose end a test waits for.
pub(crate) fn start(windlass: &Windlass, args: &[&str]) -> Child {
    let mut command = windlass.command(args);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until something came to the gate, interrupts the command, and returns what it did; that it did it soon is
/// checked generously.
pub(crate) fn interrupted(child: Child, gate: &Gate) -> Output {
    gate.wait_for(1);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let start = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    output
}
