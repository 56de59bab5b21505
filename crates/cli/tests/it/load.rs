//! `windlass load`: archives of other tools.

mod hostile;

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use windlass::image::Digest;
use windlass_testing::tar::{Tar, TarHeader};
use windlass_testing::{ImageBuilder, LayerBuilder, PackedImage, descriptor};

use crate::harness::{PLATFORM, Windlass, output_with_input, stderr};

fn image(content: &str) -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::new().file("hello", content.as_bytes()))
        .pack()
}

/// Adds a file under a name of any length.
fn add(tar: Tar, name: &str, content: &[u8]) -> Tar {
    let tar = match name.len() > 100 {
        true => tar.gnu_name(name.as_bytes()),
        false => tar,
    };
    let short = &name[..name.len().min(100)];
    tar.entry(TarHeader::file(short), content)
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A Docker archive as the graph store makes it, with `list` as its `manifest.json`.
fn docker(image: &PackedImage, list: &Value) -> Tar {
    let tar = add(Tar::new(), &blob_path(&image.config_digest), &image.config);
    let layer = &image.layers[0];
    let tar = add(tar, &blob_path(&layer.digest), &layer.bytes);
    add(tar, "manifest.json", list.to_string().as_bytes())
}

fn list(image: &PackedImage, name: &str) -> Value {
    json!([{
        "Config": blob_path(&image.config_digest),
        "RepoTags": [name],
        "Layers": [blob_path(&image.layers[0].digest)],
    }])
}

/// An OCI archive with `entries` in its index.
fn oci(image: &PackedImage, entries: &[Value]) -> Tar {
    let index = json!({ "schemaVersion": 2, "manifests": entries });
    let tar = add(
        Tar::new(),
        "oci-layout",
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    );
    let tar = add(tar, "index.json", index.to_string().as_bytes());
    let tar = add(tar, &blob_path(&image.digest), &image.manifest);
    let tar = add(tar, &blob_path(&image.config_digest), &image.config);
    add(
        tar,
        &blob_path(&image.layers[0].digest),
        &image.layers[0].bytes,
    )
}

fn entry(image: &PackedImage, name: &str) -> Value {
    let mut entry = descriptor(&image.media_type, image.digest, image.manifest.len() as u64);
    entry["annotations"] = json!({ "io.containerd.image.name": name });
    entry
}

/// Runs a command and returns its output with all digests.
fn printed(windlass: &Windlass, args: &[&str]) -> String {
    let output = windlass.command(args).output().unwrap();
    assert!(output.status.success(), "{}", windlass.show(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_archive_is_loaded_from_a_file_and_from_a_pipe() {
    let image = image("hello");
    let list = list(&image, "loaded:1");
    let windlass = Windlass::new();
    fs::write(windlass.path("archive"), docker(&image, &list).end()).unwrap();
    insta::assert_snapshot!(windlass.run(["load", "-i", "archive"]), @r"
    exit: 0
    --- stdout
    Loaded image: loaded:1
    ");
    // The image ID is the digest of the config, as everywhere.
    let id = windlass
        .command(["images", "-q", "--no-trunc"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(id.stdout).unwrap().trim(),
        image.config_digest.to_string()
    );

    let other = Windlass::new();
    let bytes = oci(&image, &[entry(&image, "docker.io/library/loaded:1")]).end();
    let output = output_with_input(other.command(["load", "--json"]), &bytes);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["image_id"], image.config_digest.to_string());
    assert_eq!(json["digest"], image.digest.to_string());
    assert_eq!(json["names"], json!(["docker.io/library/loaded:1"]));
    assert_eq!(json["is_new"], true);
}

/// F8: a valid archive moves a name of another image, with a warning.
#[test]
fn a_moved_name_is_a_warning() {
    let mut windlass = hostile::prepared();
    let before = windlass
        .command(["images", "-q", "app:1"])
        .output()
        .unwrap();
    windlass.mask(
        &String::from_utf8(before.stdout).unwrap().trim(),
        "<before>",
    );
    let image = image("hello");
    let archive = docker(&image, &list(&image, "app:1")).end();
    fs::write(windlass.path("archive"), archive).unwrap();
    insta::assert_snapshot!(windlass.run(["load", "-i", "archive"]), @r"
    exit: 0
    --- stdout
    Loaded image: app:1
    --- stderr
    warning: app:1 was moved from image <before>
    ");
}

/// Invalid names in an archive are skipped.
#[test]
fn invalid_names_are_skipped() {
    let windlass = Windlass::new();
    let image = image("hello");
    let mut list = list(&image, "app:1");
    list[0]["RepoTags"] = json!(["../../x", "UPPER:1", "a b", "\u{1b}[31mred", "good:1", ""]);
    fs::write(windlass.path("archive"), docker(&image, &list).end()).unwrap();
    insta::assert_snapshot!(windlass.stdout(["load", "-i", "archive"]), @"Loaded image: good:1");
}

/// A name with a digest and no tag does not become `latest`, and no other image loses that tag.
#[test]
fn a_name_with_a_digest_is_no_tag() {
    let windlass = Windlass::new();
    let other = image("other");
    let archive = docker(&other, &list(&other, "app:latest")).end();
    fs::write(windlass.path("other"), archive).unwrap();
    windlass.stdout(["load", "-i", "other"]);
    let image = image("hello");
    let name = format!("docker.io/library/app@{}", image.digest);
    let archives = [
        oci(&image, &[entry(&image, &name)]),
        docker(&image, &list(&image, &name)),
    ];
    for archive in archives {
        fs::write(windlass.path("archive"), archive.end()).unwrap();
        let expected = format!("Loaded image ID: {}\n", image.config_digest);
        assert_eq!(printed(&windlass, &["load", "-i", "archive"]), expected);
        let latest = printed(&windlass, &["images", "-q", "--no-trunc", "app:latest"]);
        assert_eq!(latest, format!("{}\n", other.config_digest));
    }
}

/// Docker 25.0 lists an image that was saved by its ID in `manifest.json` only.
#[test]
fn an_image_that_only_one_list_contains_is_loaded() {
    let windlass = Windlass::new();
    let image = image("hello");
    let mut list = list(&image, "app:1");
    list[0]["RepoTags"] = Value::Null;
    let tar = add(
        oci(&image, &[]),
        "manifest.json",
        list.to_string().as_bytes(),
    );
    fs::write(windlass.path("archive"), tar.end()).unwrap();
    let expected = format!("Loaded image ID: {}\n", image.config_digest);
    assert_eq!(printed(&windlass, &["load", "-i", "archive"]), expected);
    windlass.stdout(["copy", "docker-archive:archive", "windlass:app:2"]);
    let copied = printed(&windlass, &["images", "-q", "--no-trunc", "app:2"]);
    assert_eq!(copied, format!("{}\n", image.config_digest));
}

/// No archive is loaded as nothing with exit code 0.
#[test]
fn an_archive_with_empty_lists_is_an_error() {
    let windlass = Windlass::new();
    let image = image("hello");
    let archives = [
        oci(&image, &[]),
        docker(&image, &json!([])),
        add(oci(&image, &[]), "manifest.json", b"[]"),
    ];
    for archive in archives {
        fs::write(windlass.path("archive"), archive.end()).unwrap();
        let expected = "exit: 1\n--- stderr\n\
            error: loading archive: it contains no images: its lists are empty\n";
        assert_eq!(windlass.run(["load", "-i", "archive"]), expected);
    }
}

/// Some tools store a layer once for each image.
#[test]
fn members_may_occur_twice() {
    let windlass = Windlass::new();
    let images = [image("hello"), image("other")];
    let layer = |image: &PackedImage| format!("{}.tar", image.layers[0].digest.hex());
    let entry = |image: &PackedImage, name: &str| {
        let mut entry = list(image, name);
        entry[0]["Layers"] = json!([layer(image)]);
        entry[0].take()
    };
    let list = json!([entry(&images[0], "one:1"), entry(&images[1], "two:1")]);
    let mut tar = docker(&images[0], &list);
    for image in [&images[0], &images[1], &images[0]] {
        tar = add(tar, &layer(image), &image.layers[0].bytes);
    }
    tar = add(tar, &blob_path(&images[1].config_digest), &images[1].config);
    fs::write(windlass.path("archive"), tar.end()).unwrap();
    let loaded = windlass.stdout(["load", "-i", "archive"]);
    assert_eq!(loaded.trim(), "Loaded image: one:1\nLoaded image: two:1");
}

/// ^C ends the wait for a pipe that nothing is written to.
#[test]
fn an_interrupt_ends_the_wait_for_a_pipe() {
    let windlass = Windlass::new();
    let mut child = windlass
        .command(["load"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // When the write returns, the command has read from the pipe and handles signals.
    stdin.write_all(&vec![0; 1 << 20]).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    insta::assert_snapshot!(windlass.show(&output), @r"
    exit: 130
    --- stderr
    Stopped. Nothing was loaded.
    ");
}

#[test]
fn a_full_disk_leaves_existing_images() {
    let windlass = Windlass::new();
    let large = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(8 << 20))
        .pack();
    fs::write(
        windlass.path("archive"),
        docker(&large, &list(&large, "app:1")).end(),
    )
    .unwrap();
    fs::create_dir(windlass.root()).unwrap();
    let script = "mount -t tmpfs -o size=4m,mode=0755 tmpfs \"$WINDLASS_ROOT\" || exit 77; \
         \"$@\"; code=$?; \"$1\" images -q; exit $code";
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
    let output = windlass
        .through(runner, ["load", "--progress=none", "-i", "archive"])
        .output();
    match output {
        Ok(output) if output.status.code() == Some(1) && !output.stderr.starts_with(b"unshare") => {
            let text = stderr(&output);
            // Either the download or the unpacking is first to fill the disk.
            let (error, hint) = text.split_once('\n').unwrap();
            assert!(
                error.ends_with("No space left on device (os error 28)"),
                "{text}"
            );
            assert_eq!(
                hint,
                "hint: free space on that disk, or keep images elsewhere with --root\n"
            );
            assert!(output.stdout.is_empty(), "{}", windlass.show(&output));
        }
        Ok(_) | Err(_) => eprintln!("not run: no mount namespace here"),
    }
}

/// Tools such as `docker-save-last-layer` leave out of an archive what the daemon has already.
#[test]
fn layers_of_the_store_need_not_be_in_a_docker_archive() {
    let base = LayerBuilder::new().file("base", b"base");
    let top = LayerBuilder::new().file("top", b"top");
    let image = |layers: &[&LayerBuilder]| {
        let image = ImageBuilder::new().platform(PLATFORM);
        let layers = layers.iter().map(|layer| (*layer).clone());
        layers.fold(image, ImageBuilder::layer).pack()
    };
    let (base, whole) = (image(&[&base]), image(&[&base, &top]));
    let config = blob_path(&whole.config_digest);
    let list = json!([{ "Config": config, "RepoTags": ["app:1"], "Layers": ["base/layer.tar", "top/layer.tar"] }]);
    let archive = add(Tar::new(), &config, &whole.config);
    let archive = add(archive, "top/layer.tar", &whole.layers[1].bytes);
    let archive = add(archive, "manifest.json", list.to_string().as_bytes());

    let windlass = Windlass::new();
    fs::write(windlass.path("top.tar"), archive.end()).unwrap();
    insta::assert_snapshot!(windlass.run(["load", "--progress=none", "-i", "top.tar"]), @r"
    exit: 1
    --- stderr
    error: loading top.tar: base/layer.tar is missing
    ");

    let docker = docker(&base, &super::load::list(&base, "base:1"));
    fs::write(windlass.path("base.tar"), docker.end()).unwrap();
    windlass.stdout(["load", "--progress=none", "-i", "base.tar"]);
    insta::assert_snapshot!(printed(&windlass, &["load", "--progress=none", "-i", "top.tar"]), @"Loaded image: app:1");

    // It is a whole image: it is saved with all its layers, also after the base was removed.
    windlass.stdout(["rmi", "base:1"]);
    windlass.stdout(["save", "-q", "-o", "whole.tar", "app:1"]);
    let other = Windlass::new();
    let archive = windlass.path("whole.tar");
    other.stdout(["load", "-q", "-i", archive.to_str().unwrap()]);
    other.stdout(["unpack", "app:1", "tree"]);
    assert_eq!(fs::read(other.path("tree/base")).unwrap(), b"base");
    assert_eq!(fs::read(other.path("tree/top")).unwrap(), b"top");
}
