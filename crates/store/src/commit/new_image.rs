//! The content of an image that is committed.

use windlass_oci::{DiffId, Digest, Reference};

use crate::layer::{FinishedLayer, Layer, LayerMetadata};
use crate::store_inner::StoreInner;
use crate::{Blob, BlobDraft};

/// A complete image, and the name it gets.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// The config, whose digest is the image ID.
    pub config: BlobSource,
    /// The manifest.
    pub manifest: BlobSource,
    /// The indexes that led to the manifest, the outermost first: its digest is the target of the name. A
    /// manifest of another format that this one was converted from counts as an index.
    pub indexes: Vec<BlobSource>,
    /// Manifests and blobs of artifacts in these indexes, such as attestations. They are kept as long as the image.
    pub artifacts: Vec<BlobSource>,
    /// The layers, base first, in the order of the config's `diff_ids`.
    pub layers: Vec<NewLayer>,
    /// The name that was pulled, if any. Its tag is set, and a digest reference for the target in its
    /// repository.
    pub reference: Option<Reference>,
}

/// One layer of a [`NewImage`].
#[derive(Clone, Debug)]
pub struct NewLayer {
    /// The unpacked layer.
    pub layer: LayerSource,
    /// The digest of its blob in the manifest.
    pub digest: Digest,
    /// The size of that blob in bytes.
    pub size: u64,
    /// The blob that a new layer was unpacked from, to be stored with it. A layer that is already stored keeps
    /// its own blob.
    pub blob: Option<BlobSource>,
}

/// A stored or a new layer.
#[derive(Clone, Debug)]
pub enum LayerSource {
    /// It is in the store.
    Stored(Layer),
    /// It was unpacked for this image.
    New(FinishedLayer),
}

/// A stored or a new blob.
#[derive(Clone, Debug)]
pub enum BlobSource {
    /// It is in the store.
    Stored(Blob),
    /// It was fetched for this image.
    New(BlobDraft),
}

impl NewImage {
    /// Returns the target of the name: the outermost index, or else the manifest.
    pub fn target(&self) -> &Digest {
        self.indexes.first().unwrap_or(&self.manifest).digest()
    }

    /// Leases all new content, so that it is not deleted while other pulls have drafts of it.
    pub(super) fn lease(&self, inner: &StoreInner) {
        self.blob_drafts()
            .for_each(|draft| draft.lease(inner.leases()));
        for layer in &self.layers {
            if let LayerSource::New(draft) = &layer.layer {
                draft.lease(inner.leases());
            }
        }
    }

    /// Removes what is left of the published blobs in `ingest/`.
    pub(super) fn mark_published(&self) {
        self.blob_drafts()
            .for_each(|draft| draft.file().mark_published());
    }

    pub(super) fn blob_drafts(&self) -> impl Iterator<Item = &BlobDraft> {
        self.blobs().filter_map(|source| match source {
            BlobSource::New(draft) => Some(draft),
            BlobSource::Stored(_) => None,
        })
    }

    /// Returns all blobs of the image.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &BlobSource> {
        let documents = [&self.config, &self.manifest];
        let layers = self.layers.iter().filter_map(|layer| layer.blob.as_ref());
        let documents = documents.into_iter().chain(&self.indexes);
        documents.chain(&self.artifacts).chain(layers)
    }
}

impl LayerSource {
    /// Returns the diff ID.
    pub fn diff_id(&self) -> &DiffId {
        match self {
            Self::Stored(layer) => layer.diff_id(),
            Self::New(layer) => layer.diff_id(),
        }
    }

    /// Returns the properties that the unpacking determined.
    pub(super) fn metadata(&self) -> &LayerMetadata {
        match self {
            Self::Stored(layer) => layer.metadata(),
            Self::New(layer) => layer.metadata(),
        }
    }
}

impl BlobSource {
    /// Returns the digest.
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Stored(blob) => blob.digest(),
            Self::New(draft) => draft.digest(),
        }
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Stored(blob) => blob.size(),
            Self::New(draft) => draft.size(),
        }
    }
}
