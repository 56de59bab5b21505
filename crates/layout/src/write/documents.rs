//! The documents that list the images of an archive or layout.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};
use windlass_oci::{Descriptor, Digest, ImageManifest, MediaType, Reference, Tag};

use super::batch::{Artifact, Batch};

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const IMAGE_NAME: &str = "io.containerd.image.name";

pub(super) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Returns the entries of `index.json`: one for each name of each image, and one for each artifact.
pub(super) fn index_entries(batch: &Batch) -> Vec<Descriptor> {
    let mut entries = Vec::new();
    for image in &batch.images {
        let entry = |annotations: BTreeMap<String, String>| Descriptor {
            annotations,
            ..image.root.clone()
        };
        for name in &image.names {
            let tag = name.tag().map_or("latest", Tag::as_str).to_owned();
            let ref_name = image.ref_name.clone().unwrap_or(tag);
            entries.push(entry(BTreeMap::from([
                (REF_NAME.to_owned(), ref_name),
                (IMAGE_NAME.to_owned(), name.to_string()),
            ])));
        }
        if image.names.is_empty() {
            let ref_name = image.ref_name.iter();
            let annotations = ref_name.map(|ref_name| (REF_NAME.to_owned(), ref_name.clone()));
            entries.push(entry(annotations.collect()));
        }
    }
    for Artifact { root, tag } in &batch.artifacts {
        let mut entry = root.clone();
        entry
            .annotations
            .extend(tag.iter().map(|tag| (REF_NAME.to_owned(), tag.to_string())));
        entries.push(entry);
    }
    entries
}

/// Returns the ref name of an entry of `index.json`.
pub(super) fn ref_name_of(entry: &Descriptor) -> Option<&String> {
    entry.annotations.get(REF_NAME)
}

/// Returns the content of `index.json`.
pub(super) fn index(entries: &[Descriptor]) -> Vec<u8> {
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OciIndex.as_str(),
        "manifests": entries,
    });
    index.to_string().into_bytes()
}

/// Returns the content of Docker's `manifest.json`: the config and layer paths of each image. One image of an index gets the
/// names of the index.
pub(super) fn manifest_json(batch: &Batch) -> Vec<u8> {
    let mut listed = Vec::new();
    let mut named: HashSet<&Reference> = HashSet::new();
    for image in &batch.images {
        let manifests = batch.image_manifests(&image.root.digest);
        let is_named = |manifest: &ImageManifest| image.named == Some(manifest.config.digest);
        let of_names = manifests.iter().position(is_named).unwrap_or(0);
        for (index, manifest) in manifests.iter().enumerate() {
            let names = image.names.iter().filter(|_| index == of_names);
            let names = names.filter(|name| named.insert(name));
            let names: Vec<_> = names.map(Reference::familiar).collect();
            let layers = manifest.layers.iter();
            let layers: Vec<_> = layers.map(|layer| blob_path(&layer.digest)).collect();
            let names = if names.is_empty() {
                Value::Null
            } else {
                names.into()
            };
            listed.push(json!({
                "Config": blob_path(&manifest.config.digest),
                "RepoTags": names,
                "Layers": layers,
            }));
        }
    }
    Value::from(listed).to_string().into_bytes()
}

pub(super) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}
