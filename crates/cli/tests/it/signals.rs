//! ^C and SIGTERM: a pull stops, says what is kept, and the next one works.

use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use windlass_testing::{Image, Layer, PackedImage, Registry};

use crate::harness::{PLATFORM, Windlass};

fn image() -> PackedImage {
    Image::new()
        .platform(PLATFORM)
        .layer(Layer::of_size(1 << 20))
        .pack()
}

/// Starts a pull of `name`, which will not end by itself.
fn start(windlass: &Windlass, name: &str) -> Child {
    let mut command = windlass.command(["pull", "--platform", PLATFORM, name]);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Nothing is visible after it, and the next pull brings the image.
fn assert_nothing_changed(windlass: &Windlass, name: &str) {
    assert_eq!(windlass.stdout(["images", "-q"]), "");
    windlass.pull(name);
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 1);
}

#[test]
fn an_interrupt_stops_the_pull_and_says_what_is_kept() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let gate = registry.blob(&image.layers[0].digest).hold();
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let mut child = start(&windlass, &name);
    // The plan is known once it was told.
    let told = first_line(&mut child);
    gate.wait_for(1);
    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    insta::assert_snapshot!(windlass.comparable(told.as_bytes()), @"Pulling registry.test/app:1 for linux/amd64: 1 layer, 1.0 MB to download");
    insta::assert_snapshot!(windlass.show(&output), @r"
    exit: 130
    --- stderr
    Stopped at 0%. Nothing was changed.
    ");
    gate.open();
    assert_nothing_changed(&windlass, &name);
}

#[test]
fn termination_stops_the_pull_before_anything_is_known() {
    let registry = Registry::start();
    registry.push(image(), "app:1");
    let gate = registry.manifest("1").hold();
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let child = start(&windlass, &name);
    gate.wait_for(1);
    send(&child, Signal::TERM);
    let output = child.wait_with_output().unwrap();
    insta::assert_snapshot!(windlass.show(&output), @r"
    exit: 143
    --- stderr
    Stopped. Nothing was changed.
    ");
    gate.open();
    assert_nothing_changed(&windlass, &name);
}

/// Whatever a kill leaves behind, the next pull works.
#[test]
fn a_kill_leaves_nothing_in_the_way() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let gate = registry.blob(&image.layers[0].digest).hold_after(1 << 19);
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let mut child = start(&windlass, &name);
    gate.wait_for(1);
    child.kill().unwrap();
    child.wait().unwrap();
    gate.open();
    assert_nothing_changed(&windlass, &name);
}

/// A second pull waits for the store, says for whom, and works when the first is gone.
#[test]
fn a_second_pull_waits_and_says_for_whom() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let gate = registry.blob(&image.layers[0].digest).hold();
    let mut windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let first = start(&windlass, &name);
    windlass.shows(&first.id(), "<pid>");
    gate.wait_for(1);
    let mut second = start(&windlass, &name);
    let told = first_line(&mut second);
    gate.open();
    assert!(first.wait_with_output().unwrap().status.success());
    assert!(second.wait_with_output().unwrap().status.success());
    insta::assert_snapshot!(windlass.comparable(told.as_bytes()), @"waiting for pid <pid> (windlass pull registry.test/app:1) to finish with [dir]/store");
}

/// Reads the first line that `child` writes to standard error.
fn first_line(child: &mut Child) -> String {
    use std::io::Read as _;
    let mut line = Vec::new();
    let stderr = child.stderr.as_mut().unwrap();
    let mut byte = [0];
    while !line.ends_with(b"\n") && stderr.read(&mut byte).unwrap() == 1 {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}
