//! Reads the formats that other tools write.

use std::io::Write as _;

use serde_json::{Value, json};
use windlass_layout::{Layout, LayoutKind};
use windlass_oci::{Digest, Manifest};
use windlass_testing::{LayerBuilder, PackedImage};

use crate::fixture::{Tar, image, open, spool};

/// Returns an archive in the old format of `docker save`: a directory for each layer, and links for equal layers.
fn old_archive(image: &PackedImage) -> Tar {
    let config = Digest::sha256(&image.config).hex();
    let list = json!([{
        "Config": format!("{config}.json"),
        "RepoTags": ["app:1", "other:2"],
        "Layers": ["one/layer.tar", "two/layer.tar", "three/layer.tar"],
    }]);
    Tar::new()
        .file(&format!("{config}.json"), &image.config)
        .file("one/VERSION", "1.0")
        .file("one/json", "{}")
        .file("one/layer.tar", LayerBuilder::new().file("a", b"one").tar())
        .symlink("two/layer.tar", "../one/layer.tar")
        .hard_link("three/layer.tar", "one/layer.tar")
        .file("manifest.json", list.to_string())
        .file("repositories", "{}")
}

fn old_image() -> PackedImage {
    let layer = LayerBuilder::new().file("a", b"one").pack();
    let image = windlass_testing::ImageBuilder::new();
    image
        .layer(layer.clone())
        .layer(layer.clone())
        .layer(layer)
        .pack()
}

#[test]
fn images_of_old_docker_archives_keep_their_id() {
    let image = old_image();
    let layout = old_archive(&image).open().unwrap();
    assert_eq!(layout.kind(), LayoutKind::DockerArchive);
    let entry = layout.find(Some("other:2")).unwrap();
    assert_eq!(entry.names.len(), 2);
    let manifest = layout.document(&entry.root).unwrap().unwrap();
    let Manifest::Image(manifest) = Manifest::parse(&manifest, None).unwrap() else {
        panic!("expected an image manifest");
    };
    assert_eq!(manifest.config.digest, Digest::sha256(&image.config));
    let diff_ids: Vec<_> = image
        .layers
        .iter()
        .map(|layer| *layer.diff_id.digest())
        .collect();
    let layers: Vec<_> = manifest.layers.iter().map(|layer| layer.digest).collect();
    assert_eq!(layers, diff_ids);
    for layer in &manifest.layers {
        assert!(layout.blob(layer).unwrap().is_some());
    }
}

#[test]
fn compressed_archives_and_pipes_are_copied_to_a_file() {
    let plain = old_archive(&old_image()).bytes();
    let zstd = zstd::encode_all(&*plain, 1).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    for bytes in [zstd, gzip.finish().unwrap()] {
        assert!(open(&bytes).unwrap().find(Some("app:1")).is_ok());
    }
    let (reader, mut writer) = std::io::pipe().unwrap();
    let thread = std::thread::spawn(move || writer.write_all(&plain).unwrap());
    let file = std::fs::File::from(std::os::fd::OwnedFd::from(reader));
    let layout = Layout::from_file(file, spool()).unwrap();
    assert!(layout.find(Some("app:1")).is_ok());
    thread.join().unwrap();
}

/// A tar of a directory has `./` before every name, and an index may refer to missing manifests.
#[test]
fn missing_manifests_of_an_index_are_tolerated() {
    let image = image().pack();
    let child = crate::fixture::root(&image);
    let gone = Digest::sha256(b"another platform");
    let mut entries = vec![json!(child)];
    entries.push(windlass_testing::descriptor(&image.media_type, gone, 7));
    let index = json!({"schemaVersion": 2, "manifests": entries}).to_string();
    let digest = Digest::sha256(&index);
    let root = windlass_testing::descriptor(
        "application/vnd.oci.image.index.v1+json",
        digest,
        index.len() as u64,
    );
    let mut named = root.clone();
    named["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    let list = json!({"schemaVersion": 2, "manifests": [named]});
    let layout = Tar::new()
        .file("./oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("./index.json", list.to_string())
        .file(&format!("./blobs/sha256/{}", digest.hex()), &index)
        .file(
            &format!("./blobs/sha256/{}", child.digest.hex()),
            &image.manifest,
        )
        .open()
        .unwrap();
    let entry = layout.find(Some("latest")).unwrap();
    assert_eq!(
        (&*entry.ref_names, entry.names.len()),
        (&["latest".to_owned()][..], 0)
    );
    assert_eq!(
        layout.document(&entry.root).unwrap().unwrap(),
        index.as_bytes()
    );
    assert!(layout.document(&child).unwrap().is_some());
    let missing: Value = windlass_testing::descriptor(&image.media_type, gone, 7);
    let missing = serde_json::from_value(missing).unwrap();
    assert!(layout.document(&missing).unwrap().is_none());
}
