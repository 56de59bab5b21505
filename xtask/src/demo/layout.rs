//! Writes an image as a directory that `windlass load` reads.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::json;
use windlass_oci::Digest;
use windlass_testing::{PackedImage, descriptor};

/// Writes `image` as an OCI layout into the new directory `directory`.
pub(super) fn write(image: &PackedImage, directory: &Path) -> anyhow::Result<()> {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).context("creating the directories of the image")?;
    let layers = image
        .layers
        .iter()
        .map(|layer| (&layer.digest, &layer.bytes));
    let documents = [
        (&image.digest, &image.manifest),
        (&image.config_digest, &image.config),
    ];
    for (digest, bytes) in documents.into_iter().chain(layers) {
        fs::write(blobs.join(Digest::hex(digest)), bytes).context("writing the image")?;
    }
    let size = image.manifest.len() as u64;
    let entry = descriptor(&image.media_type, image.digest, size);
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    for (name, document) in [
        ("index.json", index),
        ("oci-layout", json!({ "imageLayoutVersion": "1.0.0" })),
    ] {
        fs::write(directory.join(name), document.to_string()).context("writing the image")?;
    }
    Ok(())
}
