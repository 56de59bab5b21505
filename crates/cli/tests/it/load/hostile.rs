//! `windlass load`: hostile archives (T24).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};
use windlass::image::Digest;
use windlass_testing::tar::{Tar, TarField, TarHeader};
use windlass_testing::{Registry, descriptor};

use super::{add, blob_path, docker, entry, image, list, oci};
use crate::harness::Windlass;

/// Text that must never be found in the store.
const CANARY: &str = "this is nobody's business";

/// The command with a stored image `app:1`, which is in none of the archives.
pub(super) fn prepared() -> Windlass {
    let registry = Registry::start();
    registry.push(image("what was there"), "app:1");
    let windlass = Windlass::with(&registry);
    windlass.pull(&registry.name("app:1"));
    windlass.stdout(["tag", &registry.name("app:1"), "app:1"]);
    fs::write(windlass.path("canary"), CANARY).unwrap();
    windlass
}

/// Loads an archive that must be refused, and checks that nothing changed: no image, no moved name, nothing outside of
/// the store, and no byte of the canary in it. Returns the one-line error.
fn refused(windlass: &Windlass, archive: &Path) -> String {
    let state = || windlass.stdout(["images", "--no-trunc"]);
    let (before, outside) = (state(), windlass.outside_the_store());
    let args = ["load", "--progress=none", "-i", archive.to_str().unwrap()];
    let output = windlass.command(args).output().unwrap();
    let errors = windlass.show(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_eq!(state(), before, "{errors}");
    assert_eq!(windlass.outside_the_store(), outside, "{errors}");
    assert_no_canary(&windlass.root());
    let lines: Vec<_> = errors.lines().skip(2).collect();
    assert_eq!(lines.len(), 1, "{errors}");
    let behind = lines[0].split_once(": ").unwrap().1;
    behind.replace("loading [dir]/archive: ", "")
}

fn refused_tar(windlass: &Windlass, tar: Tar) -> String {
    let path = windlass.path("archive");
    fs::write(&path, tar.end()).unwrap();
    refused(windlass, &path)
}

fn assert_no_canary(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            assert_no_canary(&path);
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            let found = bytes
                .windows(CANARY.len())
                .any(|window| window == CANARY.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

/// T24, A5: paths that lead out of an archive, as names of members and in its documents.
#[test]
fn paths_out_of_the_archive() {
    let windlass = prepared();
    let canary = windlass.path("canary");
    let canary = canary.to_str().unwrap();
    let image = image("hello");
    let mut errors = Vec::new();
    for path in ["../../canary", canary, "a/../../canary", "../../x/json"] {
        let mut config = list(&image, "app:1");
        config[0]["Config"] = path.into();
        errors.push(refused_tar(&windlass, docker(&image, &config)));
        let mut layer = list(&image, "app:1");
        layer[0]["Layers"] = json!([path]);
        errors.push(refused_tar(&windlass, docker(&image, &layer)));
        let good = docker(&image, &list(&image, "app:1"));
        errors.push(refused_tar(&windlass, add(good, path, b"x")));
    }
    for line in errors {
        assert!(line.ends_with("is not a path within it"), "{line}");
    }
}

/// T24, F4: symbolic and hard links in place of a file.
#[test]
fn links_out_of_the_archive() {
    let windlass = prepared();
    let canary = windlass.path("canary");
    let image = image("hello");
    let mut list = list(&image, "app:1");
    list[0]["Layers"] = json!(["one/layer.tar"]);
    for target in [
        canary.to_str().unwrap(),
        "../../canary",
        "../canary",
        "layer.tar",
        "/dev/zero",
    ] {
        for link in [
            TarHeader::symlink("one/layer.tar", target),
            TarHeader::hardlink("one/layer.tar", target),
        ] {
            let tar = docker(&image, &list).header(link);
            let line = refused_tar(&windlass, tar);
            assert_eq!(line, "one/layer.tar is not a regular file", "{target}");
        }
    }
    for other in [
        TarHeader::fifo("one/layer.tar"),
        TarHeader::device(b'3', "one/layer.tar", 1, 5),
        TarHeader::dir("one/layer.tar"),
    ] {
        let line = refused_tar(&windlass, docker(&image, &list).header(other));
        assert_eq!(line, "one/layer.tar is missing");
    }
}

/// T24, F4: a layout in a directory, with links to files of the user.
#[test]
fn links_in_a_layout() {
    let windlass = prepared();
    let image = image("hello");
    let layout = windlass.path("archive");
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    let index =
        json!({ "schemaVersion": 2, "manifests": [entry(&image, "docker.io/library/app:1")] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    fs::write(blobs.join(image.digest.hex()), &image.manifest).unwrap();
    fs::write(blobs.join(image.config_digest.hex()), &image.config).unwrap();
    let layer = blobs.join(image.layers[0].digest.hex());
    symlink(windlass.path("canary"), &layer).unwrap();
    let line = refused(&windlass, &layout);
    let outside = "is a link that leads out of the directory: copy the directory with `cp -rL`";
    assert!(line.ends_with(outside), "{line}");

    // A link is not followed even if its target has the right content.
    let elsewhere = windlass.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("layer"), &image.layers[0].bytes).unwrap();
    fs::remove_file(&layer).unwrap();
    symlink(elsewhere.join("layer"), &layer).unwrap();
    assert!(refused(&windlass, &layout).ends_with(outside));
    fs::remove_file(&layer).unwrap();
    fs::write(&layer, &image.layers[0].bytes).unwrap();
    fs::rename(&blobs, elsewhere.join("sha256")).unwrap();
    symlink(elsewhere.join("sha256"), &blobs).unwrap();
    assert!(refused(&windlass, &layout).ends_with(outside));
    // A pipe is rejected without waiting for a writer.
    fs::remove_file(layout.join("index.json")).unwrap();
    let fifo = layout.join("index.json");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        refused(&windlass, &layout),
        "index.json is not a regular file"
    );
}

/// T24: content that does not match its name, at each level; and duplicate names.
#[test]
fn content_that_does_not_match_its_name() {
    let windlass = prepared();
    let (image, other) = (image("hello"), image("another"));
    // The layer differs from its name and from the config.
    let mut lie = image.clone();
    lie.layers[0].bytes = other.layers[0].bytes.clone();
    let line = refused_tar(&windlass, docker(&lie, &list(&image, "app:1")));
    insta::assert_snapshot!(line, @"layer sha256:[digest]: cannot read it: its content is sha256:[digest], not sha256:[digest]");
    let line = refused_tar(
        &windlass,
        oci(&lie, &[entry(&image, "docker.io/library/app:1")]),
    );
    insta::assert_snapshot!(line.replace(&blob_path(&image.layers[0].digest), "<path>"), @"layer sha256:[digest]: cannot read it: <path>: it is longer than the expected 94 bytes");
    // The config differs from its name.
    let mut lie = image.clone();
    lie.config = other.config.clone();
    let line = refused_tar(&windlass, docker(&lie, &list(&image, "app:1")));
    insta::assert_snapshot!(line.replace(&blob_path(&image.config_digest), "<path>"), @"<path>: its content is sha256:[digest], not sha256:[digest]");
    // The manifest differs from its name.
    let mut lie = image.clone();
    lie.manifest = other.manifest.clone();
    let line = refused_tar(
        &windlass,
        oci(&lie, &[entry(&image, "docker.io/library/app:1")]),
    );
    insta::assert_snapshot!(line.replace(&blob_path(&image.digest), "<path>"), @"<path>: its content is sha256:[digest], not sha256:[digest]");
    // One file is in the archive twice, once with the right content.
    let good = docker(&image, &list(&image, "app:1"));
    let path = blob_path(&image.layers[0].digest);
    let line = refused_tar(&windlass, add(good, &path, CANARY.as_bytes()));
    assert_eq!(line, format!("it contains {path} twice"));
    // Of two images, the second is damaged in its last byte.
    let mut last = other.clone();
    let mut bytes = last.layers[0].bytes.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    last.layers[0].bytes = bytes.into();
    let mut both = list(&image, "new:1");
    both.as_array_mut()
        .unwrap()
        .extend(list(&other, "app:1").as_array().unwrap().clone());
    let tar = docker(&image, &both);
    let tar = add(tar, &blob_path(&last.config_digest), &last.config);
    let tar = add(
        tar,
        &blob_path(&last.layers[0].digest),
        &last.layers[0].bytes,
    );
    let line = refused_tar(&windlass, tar);
    insta::assert_snapshot!(line, @"layer sha256:[digest]: it cannot be unpacked: invalid gzip stream: the checksum does not match");
}

/// Two images with different diff IDs for one blob.
#[test]
fn blobs_with_conflicting_diff_ids() {
    let windlass = prepared();
    let image = image("hello");
    let mut liar = self::image("another");
    let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    let mut lie: Value = serde_json::from_slice(&liar.manifest).unwrap();
    lie["layers"] = manifest["layers"].clone();
    liar.manifest = lie.to_string().into();
    liar.digest = Digest::sha256(&liar.manifest);
    let entries = [
        entry(&image, "docker.io/library/new:1"),
        entry(&liar, "docker.io/library/app:1"),
    ];
    let tar = oci(&image, &entries);
    let tar = add(tar, &blob_path(&liar.digest), &liar.manifest);
    let tar = add(tar, &blob_path(&liar.config_digest), &liar.config);
    let line = refused_tar(&windlass, tar);
    insta::assert_snapshot!(line, @"layer sha256:[digest]: its diff ID is sha256:[digest], but the config has sha256:[digest]");
}

/// C11, T24: lists and documents without end.
#[test]
fn lists_that_are_too_long() {
    let windlass = prepared();
    let image = image("hello");
    let large = vec![b' '; 5 << 20];
    let mut lines = Vec::new();
    for name in ["index.json", "manifest.json", "oci-layout"] {
        let tar = match name {
            "manifest.json" => add(Tar::new(), name, &large),
            "index.json" => add(
                add(
                    Tar::new(),
                    "oci-layout",
                    br#"{"imageLayoutVersion":"1.0.0"}"#,
                ),
                name,
                &large,
            ),
            _ => add(add(Tar::new(), "index.json", b"{}"), name, &large),
        };
        let line = refused_tar(&windlass, tar);
        lines.push(line);
    }
    // A gigabyte that is announced but not present.
    let endless = TarHeader::file("index.json").octal(TarField::Size, 1 << 30);
    let tar = add(
        Tar::new(),
        "oci-layout",
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    );
    let line = refused_tar(&windlass, tar.entry(endless, b"{}"));
    lines.push(line);
    let many: Vec<_> = (0..5000)
        .map(|_| entry(&image, "docker.io/library/app:1"))
        .collect();
    let line = refused_tar(&windlass, oci(&image, &many));
    lines.push(line);
    let one = &list(&image, "app:1")[0];
    let many: Vec<_> = (0..5000).map(|_| one.clone()).collect();
    let line = refused_tar(&windlass, docker(&image, &json!(many)));
    lines.push(line);
    let mut tar = Tar::new();
    for number in 0..70_000 {
        tar = tar.entry(TarHeader::file(format!("{number}")), b"");
    }
    lines.push(refused_tar(&windlass, tar));
    insta::assert_snapshot!(lines.join("
"), @r"
    index.json has 5242880 bytes, more than the 4194304 allowed
    manifest.json has 5242880 bytes, more than the 4194304 allowed
    oci-layout has 5242880 bytes, more than the 4096 allowed
    it is not an archive of images: invalid tar at byte 1024: it is truncated
    index.json is invalid: the manifest has 5000 entries, more than the 4096 allowed
    manifest.json is invalid: [4097]: invalid length 4097, expected an array of at most 4096 elements
    it has more than 65536 members
    ");
}

/// Nested indexes, deeper than any real use.
#[test]
fn deeply_nested_indexes() {
    let windlass = prepared();
    let image = image("hello");
    let index_type = "application/vnd.oci.image.index.v1+json";
    let mut inner = entry(&image, "docker.io/library/app:1");
    let mut tar = Vec::new();
    for _ in 0..8 {
        let index = json!({ "schemaVersion": 2, "mediaType": index_type, "manifests": [inner] })
            .to_string();
        let digest = Digest::sha256(&index);
        inner = descriptor(index_type, digest, index.len() as u64);
        tar.push((blob_path(&digest), index));
    }
    inner["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/app:1" });
    let archive = tar
        .iter()
        .fold(oci(&image, &[inner]), |tar, (path, index)| {
            add(tar, path, index.as_bytes())
        });
    let line = refused_tar(&windlass, archive);
    insta::assert_snapshot!(line, @"the indexes below sha256:[digest] are nested more than 4 deep");
}

#[test]
fn files_that_are_not_archives() {
    let windlass = prepared();
    let mut errors = Vec::new();
    for bytes in [
        &b""[..],
        b"hello",
        &[0; 4096],
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03not gzip",
    ] {
        let path = windlass.path("archive");
        fs::write(&path, bytes).unwrap();
        errors.push(refused(&windlass, &path));
    }
    fs::remove_file(windlass.path("archive")).unwrap();
    errors.push(refused(&windlass, &windlass.path("archive")));
    fs::create_dir(windlass.path("archive")).unwrap();
    errors.push(refused(&windlass, &windlass.path("archive")));
    insta::assert_snapshot!(errors.join("\n"), @r"
    it contains no images: it has none of oci-layout, manifest.json and index.json
    it is not an archive of images: invalid tar at byte 0: this is neither a tar nor a known compression
    it contains no images: it has none of oci-layout, manifest.json and index.json
    cannot read it: invalid gzip stream: the data is damaged: deflate decompression error: invalid block type
    cannot open it: No such file or directory (os error 2)
    it contains no images: it has none of oci-layout, manifest.json and index.json
    ");
}
