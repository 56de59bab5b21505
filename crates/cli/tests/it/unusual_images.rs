//! Images of unusual shapes: memory does not depend on the size or the number of layers (T48).

use std::fs;
use std::io::{self, Read as _};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use windlass_testing::{BlobCompression, ImageBuilder, LayerBuilder, PackedLayer, Registry};

use crate::harness::{DEADLINE, PLATFORM, Windlass};

/// The limit of the memory of a pull, in KiB; it holds for unoptimised builds, too.
const CEILING: u64 = 150 << 10;

/// Pulls the image, and returns the peak resident memory in KiB.
fn pull(windlass: &Windlass, registry: &Registry) -> u64 {
    let name = registry.name("app:1");
    let args = ["pull", "-q", "--platform", PLATFORM, &name];
    let mut command = windlass.command(args);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    let until = Instant::now() + DEADLINE;
    loop {
        peak = peak_memory(&child).unwrap_or(peak);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return peak;
        }
        assert!(Instant::now() < until, "the pull does not end");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Returns the peak resident memory so far; `None` when the process has ended.
fn peak_memory(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Returns the header of a file of `size` bytes (POSIX ustar).
fn header_of(size: u64) -> Vec<u8> {
    let mut header = LayerBuilder::new().file("zeros", b"").tar();
    header.truncate(512);
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[test]
fn five_hundred_layers() {
    let registry = Registry::start();
    let layers = (0..500).map(|number| LayerBuilder::new().file(format!("layer-{number}"), b"x"));
    let image = layers.fold(ImageBuilder::new().platform(PLATFORM), ImageBuilder::layer);
    registry.push(image, "app:1");
    let windlass = Windlass::with(&registry);
    let peak = pull(&windlass, &registry);
    assert!(peak < CEILING, "{peak} KiB");
}

/// A layer of half a gigabyte that compresses to half a megabyte, and one of thirty megabytes that does not compress.
#[test]
fn layers_large_before_or_after_decompression() {
    let registry = Registry::start();
    let size = 512 << 20;
    let zeros = io::repeat(0).take(size + 1024);
    let tar = io::Cursor::new(header_of(size)).chain(zeros);
    let large = PackedLayer::from_reader(tar, BlobCompression::Gzip).unwrap();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(large)
        .layer(LayerBuilder::of_size(30 << 20));
    registry.push(image, "app:1");
    let windlass = Windlass::with(&registry);
    let peak = pull(&windlass, &registry);
    assert!(peak < CEILING, "{peak} KiB");
}
