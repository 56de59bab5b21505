//! Problems of the machine: disk, permissions, configuration. Exit code 1, what failed and where, and a hint.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use windlass_testing::{BlobCompression, ImageBuilder, LayerBuilder, PackedLayer, Registry};

use crate::harness::{PLATFORM, Windlass};

fn args(name: &str) -> [&str; 5] {
    ["pull", "--progress=none", "--platform", PLATFORM, name]
}

/// A pull with a broken credentials file fails, because without credentials the registry would refuse it for no
/// visible reason. A registry that requires no login does not need the file.
#[test]
fn a_broken_docker_configuration() {
    let registry = Registry::builder().basic("gopher", "hunter2").start();
    let windlass = Windlass::with(&registry);
    let directory = windlass.path("home/.docker");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("config.json"), "{\"auths\": [").unwrap();
    insta::assert_snapshot!(windlass.run(args(&registry.name("app:1"))), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: token for app from http://registry.test: cannot authenticate: the credentials cannot be looked up: cannot use the credentials in [dir]/home/.docker/config.json: not valid JSON: EOF while parsing a list at line 1 column 11
    hint: fix that file, or choose another one with --authfile
    ");
}

/// T42: on a disk of two megabytes, an image of four is refused before its first layer is requested.
#[test]
fn an_image_larger_than_the_disk() {
    let layer = LayerBuilder::of_size(4 << 20).pack();
    let Some((windlass, registry, output)) = on_a_small_disk(&layer) else {
        return;
    };
    let shown = windlass.show(&output);
    let (shown, sizes) = shown.split_once(" need at least ").unwrap();
    let (sizes, hint) = sizes.split_once('\n').unwrap();
    insta::assert_snapshot!(shown, @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: no space left on device: its layers
    ");
    let (needed, free) = sizes.split_once(", and ").unwrap();
    assert_eq!(needed, "8391458 bytes in [dir]/store");
    assert!(free.ends_with(" are free"), "{free}");
    insta::assert_snapshot!(hint, @"hint: free space on that disk, or keep images elsewhere with --root");
    assert!(registry.blob_requests(&layer.digest).is_empty());
}

/// T42: a small download can be a large layer once it is unpacked.
#[test]
fn a_disk_that_fills_up_while_unpacking() {
    let layer = LayerBuilder::new().file("zeros", vec![0; 8 << 20]);
    let layer = layer.compressed(BlobCompression::Gzip).pack();
    let Some((windlass, _, output)) = on_a_small_disk(&layer) else {
        return;
    };
    insta::assert_snapshot!(windlass.show(&output), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: layer <layer>: entry zeros: cannot write: No space left on device (os error 28)
    hint: free space on that disk, or keep images elsewhere with --root
    ");
}

/// Runs the command in a mount namespace of its own: `unshare` with these options starts `script`, which starts the command
/// or exits with 77 if it cannot mount. Returns `None` where users have no such namespaces.
#[expect(
    clippy::print_stderr,
    reason = "a skipped test reports that it did not run"
)]
fn in_mount_namespace(
    windlass: &Windlass,
    options: &[&str],
    script: &str,
    arguments: &[&str],
) -> Option<Output> {
    let shell = ["sh", "-c", script, "sh"];
    let runner = [&["unshare", "--mount"], options, &shell].concat();
    let output = windlass.through(runner, arguments.iter().copied()).output();
    let output = output.ok().filter(|output| {
        output.status.code() != Some(77) && !output.stderr.starts_with(b"unshare")
    });
    if output.is_none() {
        eprintln!("not run: no mount namespace here");
    }
    output
}

/// Pulls an image of one layer to a disk of two megabytes.
fn on_a_small_disk(layer: &PackedLayer) -> Option<(Windlass, Registry, Output)> {
    let registry = Registry::start();
    let image = ImageBuilder::new().platform(PLATFORM).layer(layer).pack();
    let image = registry.push(image, "app:1");
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&image.layers[0].digest, "<layer>");
    fs::create_dir(windlass.root()).unwrap();
    let script =
        "mount -t tmpfs -o size=2m,mode=0755 tmpfs \"$WINDLASS_ROOT\" || exit 77; exec \"$@\"";
    let options = ["--user", "--map-root-user"];
    let name = registry.name("app:1");
    let output = in_mount_namespace(&windlass, &options, script, &args(&name))?;
    Some((windlass, registry, output))
}

#[test]
fn a_store_that_is_not_writable() {
    if rustix::process::geteuid().is_root() {
        // Permissions do not stop root; a file in place of the directory stops every user.
        let windlass = Windlass::new();
        fs::write(windlass.root(), "").unwrap();
        insta::assert_snapshot!(windlass.run(args("registry.test/app:1")), @r"
        exit: 1
        --- stderr
        error: cannot open [dir]/store: Not a directory (os error 20)
        hint: choose another directory with --root
        ");
        return;
    }
    let windlass = Windlass::new();
    fs::create_dir(windlass.root()).unwrap();
    fs::set_permissions(windlass.root(), fs::Permissions::from_mode(0o500)).unwrap();
    insta::assert_snapshot!(windlass.run(args("registry.test/app:1")), @r"
    exit: 1
    --- stderr
    error: cannot open [dir]/store/blobs: Permission denied (os error 13)
    hint: run as a user with the permission, or keep images elsewhere with --root
    ");
}

/// Directories that cannot be used: each error names the directory once and has a hint.
#[test]
fn unusable_directories() {
    let (windlass, _registry, name) = with_image();
    fs::create_dir(windlass.path("home/papers")).unwrap();
    fs::write(windlass.path("home/papers/letter"), "").unwrap();
    let root = windlass.path("home/papers");
    let runs = [
        windlass.run(["unpack", &name, "no/such/rootfs"]),
        windlass.run(["--root", root.to_str().unwrap(), "pull", &name]),
    ];
    insta::assert_snapshot!(runs.join("\n"), @r#"
    exit: 1
    --- stderr
    error: unpacking registry.test/app:1: cannot create no/such/rootfs: No such file or directory (os error 2)
    hint: create the parent directory first: `mkdir -p no/such`

    exit: 1
    --- stderr
    error: [dir]/home/papers is not a store: it contains "letter"; choose an empty or new directory
    hint: choose another directory with --root
    "#);
}

/// Mounting needs root; the test uses a mount namespace.
#[test]
fn a_mount_on_nothing() {
    let (windlass, _registry, name) = with_image();
    let script = "mount --make-rprivate / || exit 77; exec \"$@\"";
    let arguments = ["mount", &name, "no/such"];
    if let Some(output) = in_mount_namespace(&windlass, &[], script, &arguments) {
        insta::assert_snapshot!(windlass.show(&output), @r"
        exit: 1
        --- stderr
        error: mounting registry.test/app:1 on no/such: cannot mount on the directory: No such file or directory (os error 2)
        hint: create the directory first: `mkdir -p no/such`
        ");
    }
}

/// Returns a store with a small image, its registry and the name of the image.
fn with_image() -> (Windlass, Registry, String) {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1000));
    registry.push(image.pack(), "app:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    windlass.pull(&name);
    (windlass, registry, name)
}
