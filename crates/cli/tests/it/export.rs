//! `windlass export`: the flattened root of an image as a tar.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use serde_json::Value;
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use crate::harness::{PLATFORM, Windlass, output_with_input, stderr};
use crate::transfers::root_layer;

/// An image whose upper layer changes and removes files of the lower one.
fn layered(registry: &Registry) -> Windlass {
    let base = root_layer()
        .dir("gone")
        .file("gone/x", b"")
        .file("kept", b"base");
    let top = LayerBuilder::new()
        .whiteout("gone")
        .file("bin/app", b"another")
        .file("made/up/f", b"");
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(base)
        .layer(top);
    registry.push(image, "app:1");
    let windlass = Windlass::with(registry);
    windlass.pull(&registry.name("app:1"));
    windlass
}

#[test]
fn an_export_is_compressed_by_its_file_extension() {
    let registry = Registry::start();
    let windlass = layered(&registry);
    let name = registry.name("app:1");
    let plain = windlass.command(["export", &name]).output().unwrap();
    assert!(
        plain.status.success() && plain.stderr.is_empty(),
        "{}",
        windlass.show(&plain)
    );
    let output = windlass
        .command(["export", "-o", "root.tar.gz", &name])
        .output()
        .unwrap();
    let expected = "Exported registry.test/app:1 to root.tar.gz: 2 layers, 9 entries\n";
    assert_eq!(windlass.comparable(&output.stderr), expected);
    let mut gzip = Vec::new();
    let file = fs::File::open(windlass.path("root.tar.gz")).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut gzip)
        .unwrap();
    assert!(gzip == plain.stdout);
    let json = windlass.stdout(["export", "--json", "-o", "root.tzst", &name]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["entries"], &json["output"]),
        (&9.into(), &"root.tzst".into())
    );
    let zstd = fs::read(windlass.path("root.tzst")).unwrap();
    assert!(zstd::stream::decode_all(&*zstd).unwrap() == plain.stdout);
    let forced = windlass
        .command(["export", "-o", "-", "--compress=zstd", &name])
        .output()
        .unwrap();
    assert!(forced.stdout == zstd);
}

#[test]
fn an_export_that_fails_leaves_nothing() {
    let registry = Registry::start();
    let windlass = layered(&registry);
    let name = registry.name("app:1");
    let before = windlass.outside_the_store();
    insta::assert_snapshot!(windlass.run(["export", "-o", "x.tar", "unknown:1"]), @r"
    exit: 1
    --- stderr
    error: no such image: unknown:1
    hint: list the local images with `windlass images`
    ");
    let json = windlass
        .command(["export", "--json", &name])
        .output()
        .unwrap();
    assert_eq!(json.status.code(), Some(2));
    insta::assert_snapshot!(windlass.run(["export", "-o", "no/where.tar", &name]), @r"
    exit: 1
    --- stderr
    error: exporting registry.test/app:1 to no/where.tar: cannot make the file: No such file or directory (os error 2)
    ");
    let mut full = windlass.command(["export", &name]);
    let full = full
        .stdout(fs::File::create("/dev/full").unwrap())
        .output()
        .unwrap();
    insta::assert_snapshot!(windlass.show(&full), @r"
    exit: 1
    --- stderr
    error: exporting registry.test/app:1: cannot write: No space left on device (os error 28)
    hint: free space on that disk, or write to another one
    ");
    assert_eq!(windlass.outside_the_store(), before);

    // A closed pipe is not reported as an error.
    let mut broken = windlass.command(["export", &name]);
    let mut child = broken
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let broken = child.wait_with_output().unwrap();
    assert_eq!(
        (broken.status.code(), stderr(&broken)),
        (Some(141), String::new())
    );

    // A damaged blob is reported before any byte is written.
    let blobs = windlass.root().join("blobs/sha256");
    for blob in fs::read_dir(blobs).unwrap() {
        let path = blob.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let end = bytes.len() - 1;
            bytes[end] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    let damaged = windlass.command(["export", &name]).output().unwrap();
    insta::assert_snapshot!(windlass.show(&damaged), @r"
    exit: 1
    --- stderr
    error: exporting registry.test/app:1: layer sha256:[digest]: invalid gzip stream: the checksum does not match
    ");
}

/// The pipeline of the help text: both commands need the store, and either may be the first to open it.
#[test]
fn an_export_may_be_imported_into_the_same_store() {
    let windlass = Windlass::new();
    // The content is larger than a pipe's buffer.
    let content = vec![b'x'; 1 << 20];
    let tar = root_layer().file("large", &content).tar();
    assert!(
        output_with_input(windlass.command(["import", "-", "app:1"]), &tar)
            .status
            .success()
    );
    for is_import_first in [false, true] {
        let name = format!("flat:{is_import_first}");
        let mut import_command = windlass.command(["import", "-", &name]);
        let import = import_command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut export_command = windlass.command(["export", "app:1"]);
        let export = &mut export_command;
        let (mut import, mut export) = if is_import_first {
            let mut import = import.spawn().unwrap();
            export.stdout(import.stdin.take().unwrap());
            let export = export.spawn().unwrap();
            (import, export)
        } else {
            export.stdout(Stdio::piped());
            let mut export = export.spawn().unwrap();
            import.stdin(export.stdout.take().unwrap());
            (import.spawn().unwrap(), export)
        };
        // The commands hold ends of the pipe as well.
        drop((import_command, export_command));
        assert!(export.wait().unwrap().success());
        assert!(import.wait().unwrap().success());
    }
    let images = windlass.stdout(["images", "flat"]);
    assert_eq!(images.lines().count(), 3, "{images}");
}
