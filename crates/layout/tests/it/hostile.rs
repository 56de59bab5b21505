//! T24: hostile archives and layouts.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use windlass_layout::{Layout, VerifyingReader};
use windlass_oci::text::error_chain;
use windlass_oci::{Descriptor, Digest};

use crate::fixture::{Tar, batch, image, open, spool};

fn open_error(tar: Tar) -> String {
    error_chain(&tar.open().unwrap_err())
}

fn listing(config: &str, layer: &str) -> Tar {
    let list = json!([{"Config": config, "RepoTags": ["app:1"], "Layers": [layer]}]);
    Tar::new().file("manifest.json", list.to_string())
}

fn config() -> Vec<u8> {
    let diff_id = Digest::sha256(b"layer");
    json!({"rootfs": {"type": "layers", "diff_ids": [diff_id]}})
        .to_string()
        .into_bytes()
}

/// Returns an entry of `index.json` whose manifest does not exist.
fn absent_image() -> Value {
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    windlass_testing::descriptor(media_type, Digest::sha256(b"absent"), 6)
}

#[test]
fn paths_that_lead_outside_are_rejected() {
    for path in ["../../canary/f", "/canary/f", "a/../../f"] {
        let expected = format!("{path:?} is not a path within it");
        assert_eq!(open_error(listing(path, "l")), expected);
        let with_config = listing("c", path).file("c", config());
        assert_eq!(open_error(with_config), expected);
        assert_eq!(open_error(Tar::new().file(path, "x")), expected);
    }
    assert_eq!(open_error(listing("c", "l")), "c is missing");
}

#[test]
fn links_that_lead_outside_are_rejected() {
    for target in ["/canary/f", "../../canary/f", "layer.tar", "gone"] {
        let link = listing("c", "x/layer.tar").file("c", config());
        let link = link.symlink("x/layer.tar", target);
        assert_eq!(
            open_error(link),
            "x/layer.tar is not a regular file",
            "{target}"
        );
    }
    for target in ["/etc/passwd", "../x", "x/layer.tar"] {
        let link = listing("c", "x/layer.tar").file("c", config());
        let link = link.hard_link("x/layer.tar", target);
        assert_eq!(
            open_error(link),
            "x/layer.tar is not a regular file",
            "{target}"
        );
    }
}

#[test]
fn wrong_digests_in_names_are_detected() {
    let name = format!("{}.json", Digest::sha256(b"x").hex());
    let wrong = listing(&name, "l").file(&name, config());
    let (actual, expected) = (Digest::sha256(config()), Digest::sha256(b"x"));
    assert_eq!(
        open_error(wrong),
        format!("{name}: its content is {actual}, not {expected}")
    );
    let twice = listing("c", "l").file("c", "1").file("./c", "2");
    assert_eq!(open_error(twice), "it contains c twice");

    // The content of a blob is verified when it is read.
    let blob = Digest::sha256(b"right");
    let path = format!("blobs/sha256/{}", blob.hex());
    let list = json!({"schemaVersion": 2, "manifests": [absent_image()]});
    let layout = Tar::new()
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("index.json", list.to_string())
        .file(&path, "wrong")
        .open()
        .unwrap();
    let descriptor = |size| -> Descriptor {
        serde_json::from_value(windlass_testing::descriptor("", blob, size)).unwrap()
    };
    let section = layout.blob(&descriptor(5)).unwrap().unwrap();
    let mut reader = VerifyingReader::new(section.read_from(0), blob, 5);
    assert!(reader.read_to_end(&mut Vec::new()).is_err());
    assert!(layout.blob(&descriptor(6)).is_err());
    assert!(layout.document(&descriptor(5)).is_err());
}

#[test]
fn oversized_documents_are_not_read() {
    let endless = Tar::new().file("manifest.json", vec![b' '; 5 << 20]);
    let expected = "manifest.json has 5242880 bytes, more than the 4194304 allowed";
    assert_eq!(open_error(endless), expected);
    let many: Vec<Value> = (0..600).map(|_| json!("l")).collect();
    let list = json!([{"Config": "c", "Layers": many}]);
    let many = Tar::new().file("manifest.json", list.to_string());
    assert!(open_error(many).starts_with("manifest.json is invalid: "));
}

#[test]
fn other_files_are_rejected_with_the_reason() {
    let error_of = |bytes: &[u8]| error_chain(&open(bytes).unwrap_err());
    assert!(error_of(b"hello").starts_with("it is not an archive of images: "));
    let none = "it contains no images: it has none of oci-layout, manifest.json and index.json";
    assert_eq!(open_error(Tar::new().file("letter", "dear")), none);
    assert_eq!(error_of(b""), none);
    let old = "it was saved by Docker before 1.10: load it with that version and save it with a newer one";
    assert_eq!(open_error(Tar::new().file("repositories", "{}")), old);
    let version = Tar::new()
        .file("oci-layout", r#"{"imageLayoutVersion":"2"}"#)
        .file("index.json", "{}");
    assert_eq!(
        open_error(version),
        r#"its layout has version "2", not "1.0.0""#
    );
}

/// F4: symbolic links that lead out of a layout directory are rejected.
#[test]
fn links_out_of_directories_are_not_followed() {
    let top = tempfile::tempdir().unwrap();
    let (canary, layout) = (top.path().join("canary"), top.path().join("layout"));
    fs::write(&canary, "secret").unwrap();
    fs::create_dir_all(layout.join("blobs")).unwrap();
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    fs::write(
        layout.join("index.json"),
        json!({"schemaVersion": 2, "manifests": [absent_image()]}).to_string(),
    )
    .unwrap();
    let digest = Digest::sha256(b"secret");
    let blob = serde_json::from_value(windlass_testing::descriptor("", digest, 6)).unwrap();
    let has_blob = || {
        let layout = Layout::open(&layout, spool()).unwrap();
        layout.blob(&blob).map(|found| found.is_some())
    };
    assert!(!has_blob().unwrap());
    let sha256 = layout.join("blobs/sha256");
    fs::create_dir(&sha256).unwrap();
    symlink(&canary, sha256.join(digest.hex())).unwrap();
    let expected = format!(
        "blobs/sha256/{} is a link that leads out of the directory: copy the directory with `cp -rL`",
        digest.hex()
    );
    assert_eq!(has_blob().unwrap_err().to_string(), expected);
    fs::remove_dir_all(&sha256).unwrap();
    let elsewhere = top.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(&canary, elsewhere.join(digest.hex())).unwrap();
    symlink(&elsewhere, &sha256).unwrap();
    assert_eq!(has_blob().unwrap_err().to_string(), expected);
}

/// Links within a layout are followed, in a directory and in a tar of it.
#[test]
fn links_within_are_followed() {
    let top = tempfile::tempdir().unwrap();
    let layout = top.path();
    let digest = Digest::sha256(b"blob");
    let name = digest.hex();
    let marker = r#"{"imageLayoutVersion":"1.1.0"}"#;
    let index = json!({"schemaVersion": 2, "manifests": [absent_image()]}).to_string();
    fs::create_dir_all(layout.join("blobs")).unwrap();
    fs::create_dir_all(layout.join("shared")).unwrap();
    fs::write(layout.join("oci-layout"), marker).unwrap();
    fs::write(layout.join("index.json"), &index).unwrap();
    fs::write(layout.join("shared/b"), "blob").unwrap();
    symlink("b", layout.join("shared").join(&name)).unwrap();
    symlink("../shared", layout.join("blobs/sha256")).unwrap();
    let tar = Tar::new()
        .file("oci-layout", marker)
        .file("index.json", index)
        .file("shared/b", "blob")
        .symlink(&format!("shared/{name}"), "b")
        .symlink("blobs/sha256", "../shared");
    let blob = serde_json::from_value(windlass_testing::descriptor("", digest, 4)).unwrap();
    for layout in [Layout::open(layout, spool()).unwrap(), tar.open().unwrap()] {
        let section = layout.blob(&blob).unwrap().unwrap();
        let mut bytes = Vec::new();
        section.read_from(0).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"blob");
    }
    // A loop of links ends, in directories as well as in files.
    fs::remove_file(layout.join("blobs/sha256")).unwrap();
    symlink("sha256", layout.join("blobs/sha256")).unwrap();
    let expected = format!("blobs/sha256/{name} is not a regular file");
    let error = Layout::open(layout, spool()).unwrap().blob(&blob);
    assert_eq!(error.unwrap_err().to_string(), expected);
    let tar = Tar::new()
        .file("index.json", fs::read(layout.join("index.json")).unwrap())
        .symlink("blobs/sha256", "../other")
        .symlink("other", "blobs/sha256");
    let error = tar.open().unwrap().blob(&blob);
    assert_eq!(error.unwrap_err().to_string(), expected);
}

/// A member may occur twice if that makes no difference.
#[test]
fn equal_members_may_occur_twice() {
    let large = vec![7; 600_000];
    let mut other = large.clone();
    other[599_999] = 8;
    let with = |path: &str, first: &[u8], second: &[u8]| {
        let index = json!({"schemaVersion": 2, "manifests": [absent_image()]});
        let tar = Tar::new().file("index.json", index.to_string());
        let tar = tar.file(path, first).file(path, second);
        tar.open().map(|_| ()).map_err(|error| error_chain(&error))
    };
    assert_eq!(with("x/layer.tar", &large, &large), Ok(()));
    let twice = Err("it contains x/layer.tar twice".to_owned());
    assert_eq!(with("x/layer.tar", &large, &other), twice);
    assert_eq!(with("x/layer.tar", &large, &large[1..]), twice);
    let link = || Tar::new().file("a", "a").file("index.json", "{}");
    let equal = link().symlink("b", "a").symlink("b", "a").open();
    assert_ne!(equal.unwrap_err().to_string(), "it contains b twice");
    let different = link().symlink("b", "a").file("b", "a").open();
    assert_eq!(different.unwrap_err().to_string(), "it contains b twice");
}

/// An index that refers to an image of the batch adds no duplicates.
#[test]
fn documents_are_added_once() {
    let image = image().pack();
    let mut batch = batch(&image, &["app"]);
    let index = json!({"schemaVersion": 2, "manifests": [batch.images[0].root]}).to_string();
    let digest = Digest::sha256(&index);
    batch.add(digest, index.into_bytes()).unwrap();
    assert_eq!(batch.documents.len(), 2);
}
