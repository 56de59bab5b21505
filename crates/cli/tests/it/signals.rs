//! ^C and SIGTERM: a pull stops, reports what is kept, and the next pull works.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use windlass_testing::{ImageBuilder, LayerBuilder, PackedImage, Registry};

use crate::harness::{PLATFORM, Windlass};

/// About half the size of the layer of [`image`].
const HALF: u64 = 1 << 19;

fn image() -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1 << 20))
        .pack()
}

/// Starts a pull of `name`, which the test holds open.
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

/// No image is visible, and the next pull succeeds.
fn assert_nothing_changed(windlass: &Windlass, name: &str) {
    assert_eq!(windlass.stdout(["images", "-q"]), "");
    windlass.pull(name);
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 1);
}

#[test]
fn an_interrupt_stops_the_pull_and_reports_what_is_kept() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let gate = registry.blob(&image.layers[0].digest).hold();
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let mut child = start(&windlass, &name);
    // The summary line is printed once the manifest is known.
    let line = first_line(&mut child);
    gate.wait_for(1);
    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    insta::assert_snapshot!(windlass.comparable(line.as_bytes()), @"Pulling registry.test/app:1 for linux/amd64: 1 layer, 1.0 MB to download");
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

/// What was downloaded before ^C is kept, listed by `df`, and resumed by the next pull.
#[test]
fn a_pull_resumes_after_an_interrupt() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let layer = image.layers[0].digest;
    let gate = registry.blob(&layer).hold_after(HALF);
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&layer.short(), "<layer>");
    let name = registry.name("app:1");
    let child = start_half_way(&windlass, &name);
    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    let last = String::from_utf8(output.stdout).unwrap();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(output.status.code(), Some(130));
    let expected = "Stopped at 49%. 524.3 kB kept; the next pull resumes.";
    assert_eq!(last["message"], expected);
    let df = windlass.stdout(["df"]);
    let (df, age) = df.trim_end().rsplit_once("   ").unwrap();
    assert!(age.ends_with(" ago"), "{age}");
    insta::assert_snapshot!(df, @r"
    TYPE                TOTAL     SIZE      RECLAIMABLE
    Images              0         0B        0B
    Layers              0         0B        0B
    Blobs               0         0B        0B
    Partial downloads   1         528.4kB   528.4kB (100%)

    PARTIAL DOWNLOAD   DOWNLOADED   SIZE      LAST CHANGED
    <layer>       524.3kB      1.049MB
    ");

    gate.open();
    insta::assert_snapshot!(windlass.run(["pull", "--progress=plain", "--platform", PLATFORM, &name]), @r"
    exit: 0
    --- stdout
    registry.test/app:1@sha256:[digest]
    --- stderr
    Pulling registry.test/app:1 for linux/amd64: 1 layer, 1.0 MB to download, 524.3 kB from an earlier pull
    Pulled registry.test/app:1 in [time]s  524.7 kB down, 1.05 MB unpacked
    ");
    let rest = format!("bytes={HALF}-");
    assert_eq!(registry.requested_ranges(&layer), ["whole", &rest]);
}

/// After a kill the next pull works, and downloads at most one megabyte again.
#[test]
fn a_pull_resumes_after_a_kill() {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(8 << 20));
    let image = registry.push(image, "app:1");
    let layer = &image.layers[0];
    let held = 6 << 20;
    let gate = registry.blob(&layer.digest).hold_after(held);
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let mut child = start_until(&windlass, &name, held);
    child.kill().unwrap();
    child.wait().unwrap();
    gate.open();
    let before = registry.bytes_sent(&layer.digest);
    assert_nothing_changed(&windlass, &name);
    let again = registry.bytes_sent(&layer.digest) - before;
    assert!(again <= layer.size - held + (1 << 20), "{again}");
}

/// A second pull waits for the store, reports the process that uses it, and succeeds afterwards.
#[test]
fn a_second_pull_waits_and_names_the_other_process() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let gate = registry.blob(&image.layers[0].digest).hold();
    let mut windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let first = start(&windlass, &name);
    windlass.mask(&first.id(), "<pid>");
    gate.wait_for(1);
    let mut second = start(&windlass, &name);
    let line = first_line(&mut second);
    gate.open();
    assert!(first.wait_with_output().unwrap().status.success());
    assert!(second.wait_with_output().unwrap().status.success());
    insta::assert_snapshot!(windlass.comparable(line.as_bytes()), @"waiting for pid <pid> (windlass pull registry.test/app:1) to finish with [dir]/store");
}

/// Starts a pull, and waits until half of the layer is downloaded.
fn start_half_way(windlass: &Windlass, name: &str) -> Child {
    start_until(windlass, name, HALF)
}

/// Starts a pull, and waits until `bytes` of its layer are downloaded.
fn start_until(windlass: &Windlass, name: &str, bytes: u64) -> Child {
    let args = ["pull", "--json", "--platform", PLATFORM, name];
    let mut child = windlass
        .command(args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let expected = format!("\"bytes_downloaded\":{bytes},");
    let mut line = String::new();
    while !line.contains(&expected) {
        line.clear();
        assert!(
            stdout.read_line(&mut line).unwrap() > 0,
            "it ended too early"
        );
    }
    child.stdout = Some(stdout.into_inner());
    child
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
