//! Builds indexes (and Docker's manifest lists) out of images.

use bytes::Bytes;
use serde_json::{Value, json};
use windlass_oci::Digest;

use super::{ImageBuilder, JsonEdit, PackedImage, descriptor};
use crate::layer::LayerBuilder;

pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Builds an index (or Docker manifest list).
#[derive(Clone, Debug, Default)]
pub struct IndexBuilder {
    docker: bool,
    images: Vec<PackedImage>,
    indexes: Vec<PackedIndex>,
    descriptors: Vec<Value>,
    edits: Vec<JsonEdit>,
}

/// An index as a registry stores it.
#[derive(Clone, Debug)]
pub struct PackedIndex {
    /// The index, exactly as served.
    pub bytes: Bytes,
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// The images in it.
    pub images: Vec<PackedImage>,
    /// The indexes in it.
    pub indexes: Vec<Self>,
}

impl IndexBuilder {
    /// Starts an empty OCI index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds a Docker manifest list instead.
    #[must_use]
    pub fn docker(mut self) -> Self {
        self.docker = true;
        self
    }

    /// Adds an image with its platform.
    #[must_use]
    pub fn image(mut self, image: impl Into<PackedImage>) -> Self {
        let image = image.into();
        let size = image.manifest.len() as u64;
        let mut entry = descriptor(&image.media_type, image.digest, size);
        entry["platform"] = image.platform.clone();
        self.images.push(image);
        self.descriptor(entry)
    }

    /// Adds an index, without a platform.
    #[must_use]
    pub fn index(mut self, index: impl Into<PackedIndex>) -> Self {
        let index = index.into();
        let size = index.bytes.len() as u64;
        let entry = descriptor(&index.media_type, index.digest, size);
        self.indexes.push(index);
        self.descriptor(entry)
    }

    /// Adds an attestation about the last entry in the format of `BuildKit`: a manifest for the platform `unknown/unknown`.
    #[must_use]
    pub fn attestation(mut self) -> Self {
        let about = self.descriptors.last().map(|last| last["digest"].clone());
        let statement = LayerBuilder::new().file("statement", json!(about).to_string());
        let image = ImageBuilder::new().platform("unknown/unknown");
        let image = image.layer(statement).pack();
        let size = image.manifest.len() as u64;
        let mut entry = descriptor(&image.media_type, image.digest, size);
        entry["platform"] = image.platform.clone();
        entry["annotations"] = json!({
            "vnd.docker.reference.digest": about,
            "vnd.docker.reference.type": "attestation-manifest",
        });
        self.images.push(image);
        self.descriptor(entry)
    }

    /// Adds any descriptor.
    #[must_use]
    pub fn descriptor(mut self, descriptor: Value) -> Self {
        self.descriptors.push(descriptor);
        self
    }

    /// Changes the index before it is serialized.
    #[must_use]
    pub fn edit(mut self, edit: JsonEdit) -> Self {
        self.edits.push(edit);
        self
    }

    /// Builds the index.
    pub fn pack(&self) -> PackedIndex {
        let media_type = if self.docker { DOCKER_LIST } else { OCI_INDEX };
        let mut index = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": self.descriptors,
        });
        for edit in &self.edits {
            edit(&mut index);
        }
        let bytes = Bytes::from(index.to_string());
        PackedIndex {
            digest: Digest::sha256(&bytes),
            bytes,
            media_type: media_type.to_owned(),
            images: self.images.clone(),
            indexes: self.indexes.clone(),
        }
    }
}

impl From<IndexBuilder> for PackedIndex {
    fn from(index: IndexBuilder) -> Self {
        index.pack()
    }
}

impl From<&IndexBuilder> for PackedIndex {
    fn from(index: &IndexBuilder) -> Self {
        index.pack()
    }
}

impl From<&Self> for PackedIndex {
    fn from(index: &Self) -> Self {
        index.clone()
    }
}
