//! Helpers for the tests of commands that transfer images.

use std::process::{Child, Output, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use windlass_testing::{Gate, ImageBuilder, LayerBuilder, PackedImage};

use crate::harness::{DEADLINE, PLATFORM, Windlass};

/// An image with a layer that is sent in one request, and one that is large enough to be resumed.
pub(crate) fn image() -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::new().file("hello", b"world"))
        .layer(LayerBuilder::of_size(3 << 20))
        .pack()
}

/// A layer with each of the common kinds of entries, which an unprivileged user can unpack.
pub(crate) fn root_layer() -> LayerBuilder {
    LayerBuilder::new()
        .dir("./")
        .dir("bin")
        .file("bin/app", b"#!/bin/sh\n")
        .mode(0o755)
        .symlink("app", "bin/app")
        .hardlink("bin/same", "bin/app")
}

/// Starts a command that the test waits for.
pub(crate) fn start(windlass: &Windlass, args: &[&str]) -> Child {
    let mut command = windlass.command(args);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until a request reaches the gate, interrupts the command, and returns its output. The time limit is generous
/// for loaded machines.
pub(crate) fn interrupted(child: Child, gate: &Gate) -> Output {
    gate.wait_for(1);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let start = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
    output
}
