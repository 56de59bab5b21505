//! Arbitrary input is read or rejected, without a panic.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use windlass_layout::Layout;
use windlass_oci::{Digest, ManifestLinks};
use windlass_testing::PackedImage;

use crate::fixture::{Tar, image, open};

/// An archive that is both a Docker and an OCI archive, with some links.
fn archive(image: &PackedImage) -> Vec<u8> {
    let path = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    let layers: Vec<_> = image
        .layers
        .iter()
        .map(|layer| path(&layer.digest))
        .collect();
    let list =
        json!([{ "Config": path(&image.config_digest), "RepoTags": ["app:1"], "Layers": layers }]);
    let root = json!(crate::fixture::root(image));
    let index = json!({ "schemaVersion": 2, "manifests": [root] });
    let tar = Tar::new()
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("index.json", index.to_string())
        .file("manifest.json", list.to_string())
        .file(&path(&image.digest), &image.manifest)
        .file(&path(&image.config_digest), &image.config)
        .symlink("link", "manifest.json")
        .hard_link("other", "link");
    let layers = image.layers.iter();
    layers
        .fold(tar, |tar, layer| {
            tar.file(&path(&layer.digest), &layer.bytes)
        })
        .bytes()
}

/// Reads all reachable documents and blobs, as loading and copying do.
fn walk(layout: &Layout) {
    for entry in layout.entries() {
        let Ok(Some(bytes)) = layout.document(&entry.root) else {
            continue;
        };
        let links = ManifestLinks::parse(&bytes).unwrap_or_default();
        for descriptor in links.manifests.iter().chain(&links.blobs) {
            drop(layout.document(descriptor));
            drop(layout.blob(descriptor));
        }
    }
}

/// JSON values, some of which are valid for some field.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z./]{0,20}".prop_map(Value::from),
        Just(json!(Digest::sha256(b"x"))),
        Just(json!("application/vnd.oci.image.manifest.v1+json")),
    ];
    let key = prop_oneof![
        Just("manifests"),
        Just("digest"),
        Just("size"),
        Just("mediaType"),
        Just("annotations"),
        Just("Config"),
        Just("Layers"),
        Just("RepoTags"),
        Just("subject"),
        Just("platform"),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            vec((key.clone(), inner), 0..8).prop_map(|pairs| pairs
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn archives_with_changed_bytes(changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = archive(&image().pack());
        // The headers and documents are at the beginning.
        let length = bytes.len().min(8192);
        for (index, byte) in changes {
            bytes[index.index(length)] = byte;
        }
        if let Ok(layout) = open(&bytes) {
            walk(&layout);
        }
    }

    #[test]
    fn truncated_archives(end in any::<prop::sample::Index>()) {
        let bytes = archive(&image().pack());
        if let Ok(layout) = open(&bytes[..end.index(bytes.len())]) {
            walk(&layout);
        }
    }

    #[test]
    fn arbitrary_documents(index in value(), list in value(), other in value()) {
        let bytes = other.to_string();
        let path = format!("blobs/sha256/{}", Digest::sha256(&bytes).hex());
        for with_layout in [false, true] {
            let tar = Tar::new()
                .file("manifest.json", list.to_string())
                .file("a/b", &bytes)
                .file(&path, &bytes);
            let tar = match with_layout {
                true => tar
                    .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
                    .file("index.json", index.to_string()),
                false => tar,
            };
            if let Ok(layout) = tar.open() {
                walk(&layout);
            }
        }
    }
}
