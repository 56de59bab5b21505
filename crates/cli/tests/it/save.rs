//! `windlass save`: its archives, and what is left after a failure.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use windlass_testing::{ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, Registry};

use crate::harness::{PLATFORM, Windlass};
use crate::transfers::image;

/// The command with `app:1` in its store.
fn pulled() -> (Windlass, Registry, PackedImage) {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let windlass = Windlass::with(&registry);
    windlass.pull(&registry.name("app:1"));
    (windlass, registry, image)
}

#[test]
fn files_pipes_and_standard_output_get_the_same_bytes() {
    let (windlass, registry, _) = pulled();
    let name = registry.name("app:1");
    insta::assert_snapshot!(windlass.run(["save", "--progress=plain", "-o", "app.tar", &name]), @r"
    exit: 0
    --- stderr
    Saved 1 image to app.tar
    ");
    let file = fs::read(windlass.path("app.tar")).unwrap();
    let output = windlass.command(["save", &name]).output().unwrap();
    assert!(output.stdout == file);
    let again = windlass.command(["save", &name]).output().unwrap();
    assert!(again.stdout == file);

    // A named pipe is not replaced by a file.
    let fifo = windlass.path("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let mut child = windlass
        .command(["save", "-o", "fifo", &name])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut read = Vec::new();
    File::open(&fifo).unwrap().read_to_end(&mut read).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(read == file);
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
}

#[test]
fn a_saved_archive_is_loaded_and_saved_identically() {
    let (windlass, registry, _) = pulled();
    let name = registry.name("app:1");
    for (number, path) in ["a.tar", "b.tar.gz", "c.tar.zst"].into_iter().enumerate() {
        windlass.stdout(["save", "-q", "-o", path, &name]);
        let other = Windlass::with(&registry);
        let archive = windlass.path(path);
        let archive = archive.to_str().unwrap();
        assert_eq!(
            other.stdout(["load", "-q", "-i", archive]),
            "Loaded image: registry.test/app:1\n"
        );
        let again = other.path("again");
        other.stdout([
            "save",
            "-q",
            "--compress",
            ["none", "gzip", "zstd"][number],
            "-o",
            "again",
            &name,
        ]);
        assert!(
            fs::read(again).unwrap() == fs::read(windlass.path(path)).unwrap(),
            "{path}"
        );
    }
}

/// A repository without a tag stands for all its tags; images share their blobs in the archive.
#[test]
fn several_images_are_one_archive() {
    let (windlass, registry, image) = pulled();
    let [name, again] = ["app:1", "app:2"].map(|name| registry.name(name));
    windlass.stdout(["tag", &name, &again]);
    let other = registry.push(
        ImageBuilder::new()
            .platform(PLATFORM)
            .layer(&image.layers[0]),
        "other:1",
    );
    let other_name = registry.name("other:1");
    windlass.pull(&other_name);
    windlass.stdout([
        "save",
        "-q",
        "-o",
        "all.tar",
        &registry.name("app"),
        &other_name,
    ]);
    let archive = fs::read(windlass.path("all.tar")).unwrap();
    let layer = image.layers[0].digest.hex();
    let members = archive
        .windows(layer.len())
        .filter(|it| *it == layer.as_bytes());
    // Once as a member, twice in manifests, twice in Docker's list.
    assert_eq!(members.count(), 5);
    let fresh = Windlass::with(&registry);
    let archive = windlass.path("all.tar");
    let loaded = fresh.stdout(["load", "-i", archive.to_str().unwrap()]);
    let mut loaded: Vec<_> = loaded.lines().collect();
    loaded.sort_unstable();
    let expected =
        ["app:1", "app:2", "other:1"].map(|name| format!("Loaded image: registry.test/{name}"));
    assert_eq!(loaded, expected);
    let ids = |windlass: &Windlass| {
        let output = windlass
            .command(["images", "-q", "--no-trunc"])
            .output()
            .unwrap();
        let ids = String::from_utf8(output.stdout).unwrap();
        ids.lines()
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let expected = [image.config_digest, other.config_digest].map(|id| id.to_string());
    assert_eq!(ids(&fresh), expected.into());
    assert_eq!(ids(&fresh), ids(&windlass));
}

/// A closed pipe is not reported as an error.
#[test]
fn a_closed_pipe_is_left_quietly() {
    let (windlass, registry, _) = pulled();
    let mut child = windlass
        .command(["save", &registry.name("app:1")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 100]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    insta::assert_snapshot!(windlass.show(&output), @"exit: 141");
}

#[test]
fn a_full_disk_leaves_existing_images() {
    let (windlass, registry, _) = pulled();
    fs::create_dir(windlass.path("disk")).unwrap();
    let name = registry.name("app:1");
    let unshare = |form: &str, to: &str| {
        let script = "mount -t tmpfs -o size=2m,mode=0755 tmpfs disk || exit 77; \
             echo before > disk/there.tar; \"$@\"; code=$?; \
             cat disk/there.tar; ls -A disk; exit $code";
        let runner = [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ];
        let args = [
            "save",
            "--progress=plain",
            "--format",
            form,
            "-o",
            to,
            &name,
        ];
        windlass.through(runner, args).output()
    };
    for (form, to) in [
        ("docker-archive", "disk/there.tar"),
        ("oci", "disk/new"),
        ("dir", "disk/new"),
    ] {
        let output = match unshare(form, to) {
            Ok(output)
                if output.status.code() == Some(1) && !output.stderr.starts_with(b"unshare") =>
            {
                output
            }
            Ok(_) | Err(_) => {
                eprintln!("not run: no mount namespace here");
                return;
            }
        };
        let output = windlass.show(&output).replace(to, "<to>");
        let output = output.replace("cannot write a blob:", "cannot write:");
        insta::allow_duplicates! {
            insta::assert_snapshot!(output, @r"
            exit: 1
            --- stdout
            before
            there.tar
            --- stderr
            error: saving registry.test/app:1 to <to>: cannot write: No space left on device (os error 28)
            hint: free space on that disk, or write to another one
            ");
        }
    }
}

#[test]
fn conflicting_arguments_are_refused() {
    let (windlass, registry, _) = pulled();
    let name = registry.name("app:1");
    let output = [
        &["save", "--format", "oci", &name][..],
        &["save", "--json", &name],
        &[
            "save",
            "--format",
            "dir",
            "--compress",
            "gzip",
            "-o",
            "x",
            &name,
        ],
        &["save", "-o", ".", &name],
        &["save", "-o", "nowhere/app.tar", &name],
        &["save", "-o", "x", "gone"],
        &["save", "--platform", "linux/s390x", "-o", "x", &name],
    ]
    .map(|args| windlass.run(args));
    insta::assert_snapshot!(output.join("\n"), @r"
    exit: 2
    --- stderr
    error: a directory requires a path: use --output

    exit: 2
    --- stderr
    error: cannot write both --json and the archive to standard output: use --output

    exit: 2
    --- stderr
    error: --compress applies to archives only

    exit: 1
    --- stderr
    error: saving registry.test/app:1 to .: cannot make the file: is a directory

    exit: 1
    --- stderr
    error: saving registry.test/app:1 to nowhere/app.tar: cannot make the file: No such file or directory (os error 2)

    exit: 1
    --- stderr
    error: no such image: gone
    hint: list the local images with `windlass images`

    exit: 1
    --- stderr
    error: saving registry.test/app:1 to x: no matching manifest for linux/s390x: the index has linux/amd64
    hint: choose an available platform: --platform linux/amd64
    ");
    assert!(!windlass.path("x").exists());
}

/// The config and the names of each image that Docker's `manifest.json` lists.
fn listed(archive: &Path) -> Vec<(String, Value)> {
    let output = Command::new("tar")
        .args(["-xOf", archive.to_str().unwrap(), "manifest.json"])
        .output()
        .unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let images = list.as_array().unwrap().iter();
    let listed = images.map(|image| {
        let config = image["Config"].as_str().unwrap();
        let config = config.rsplit('/').next().unwrap().to_owned();
        (config, image["RepoTags"].clone())
    });
    listed.collect()
}

/// The store has two images of an index, and the name leads to the one that was pulled last.
#[test]
fn a_tag_is_saved_on_the_image_that_inspect_shows() {
    let registry = Registry::start();
    let image = |platform: &str, size| {
        let image = ImageBuilder::new().platform(platform);
        image.layer(LayerBuilder::of_size(size)).pack()
    };
    let index = IndexBuilder::new()
        .image(image(PLATFORM, 100))
        .image(image("linux/s390x", 200));
    let index = registry.push_index(index.pack(), "app:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    for platform in [PLATFORM, "linux/s390x"] {
        windlass.stdout(["pull", "-q", "--platform", platform, &name]);
    }
    let ids = index.images.iter().map(|image| image.config_digest);
    let ids: Vec<_> = ids.map(|digest| digest.hex()).collect();
    let archive = windlass.path("all.tar");
    let to = archive.to_str().unwrap();
    windlass.stdout(["save", "-q", "--all-platforms", "-o", to, &name]);
    let expected = [
        (ids[0].clone(), Value::Null),
        (ids[1].clone(), json!([name])),
    ];
    assert_eq!(listed(&archive), expected);

    // An ID is that of one image.
    for id in &ids {
        let archive = windlass.path("one.tar");
        let to = archive.to_str().unwrap();
        windlass.stdout(["save", "-q", "--all-platforms", "-o", to, &id[..12]]);
        assert_eq!(listed(&archive), [(id.clone(), Value::Null)]);
    }
}
