//! The images that are written to one archive or directory.

use std::collections::BTreeMap;

use windlass_oci::{Descriptor, Digest, ImageManifest, Manifest, ManifestLinks, Reference, Tag};

use super::error::WriteError;

/// A set of images that is written to one archive or directory.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The images, in the order in which they are listed.
    pub images: Vec<BatchImage>,
    /// The manifests and indexes of the images, by digest, including the manifests of the indexes. Manifests of an
    /// index that are missing here are not written.
    pub documents: BTreeMap<Digest, Vec<u8>>,
    /// The configs, layers and other blobs of the documents.
    pub blobs: BTreeMap<Digest, Descriptor>,
    /// Foreign (non-distributable) layers. The manifests refer to them, but they are not written.
    pub foreign: BTreeMap<Digest, Descriptor>,
    /// Signatures, attestations and other artifacts of the images.
    pub artifacts: Vec<Artifact>,
}

/// An artifact whose subject is an image, such as a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The manifest or index of the artifact.
    pub root: Descriptor,
    /// The tag, derived from the digest of the subject, if the manifest has no subject: for example `sha256-….sig`.
    pub tag: Option<Tag>,
}

/// An image of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchImage {
    /// The manifest or index of the image.
    pub root: Descriptor,
    /// The names of the image.
    pub names: Vec<Reference>,
    /// The `org.opencontainers.image.ref.name` annotation in an OCI layout if it differs from the tag, or if the image
    /// has no name.
    pub ref_name: Option<String>,
    /// The config of the image that has the names in Docker's `manifest.json`, which has no indexes; `None` for the first
    /// image of the index `root`.
    pub named: Option<Digest>,
}

impl Batch {
    /// Adds a manifest or index, and the blobs to which it refers. Returns its links.
    pub fn add(&mut self, digest: Digest, bytes: Vec<u8>) -> Result<ManifestLinks, WriteError> {
        let links = ManifestLinks::parse(&bytes);
        let links = links.map_err(|source| WriteError::Manifest { digest, source })?;
        for blob in &links.blobs {
            let blobs = match blob.media_type.is_foreign_layer() {
                true => &mut self.foreign,
                false => &mut self.blobs,
            };
            blobs.insert(blob.digest, blob.clone());
        }
        self.documents.insert(digest, bytes);
        Ok(links)
    }

    /// Adds everything in `other`.
    pub fn extend(&mut self, other: Self) {
        self.images.extend(other.images);
        self.documents.extend(other.documents);
        self.blobs.extend(other.blobs);
        self.foreign.extend(other.foreign);
        self.artifacts.extend(other.artifacts);
    }

    /// Includes the foreign layers for which `filter` returns true in the output.
    pub fn include_foreign_layers(&mut self, filter: impl Fn(&Descriptor) -> bool) {
        let foreign = std::mem::take(&mut self.foreign);
        let (included, rest) = foreign.into_iter().partition(|(_, blob)| filter(blob));
        self.foreign = rest;
        self.blobs.extend::<BTreeMap<_, _>>(included);
    }

    /// Returns the image manifests of `root`, in the order of its indexes, as far as they are part of the batch.
    pub(super) fn image_manifests(&self, root: &Digest) -> Vec<ImageManifest> {
        /// The limit on the nesting of indexes.
        const MAX_DEPTH: usize = 4;
        let mut found = Vec::new();
        let mut pending = vec![(*root, 0)];
        while let Some((digest, depth)) = pending.pop() {
            let Some(bytes) = self.documents.get(&digest) else {
                continue;
            };
            match Manifest::parse(bytes, None) {
                Ok(Manifest::Image(image)) => found.push(image),
                Ok(Manifest::Index(index)) if depth < MAX_DEPTH => {
                    let children = index.manifests.iter().rev();
                    pending.extend(children.map(|child| (child.digest, depth + 1)));
                }
                Ok(Manifest::Index(_)) | Err(_) => {}
            }
        }
        found
    }
}
