//! Fetched layers, shared by all pulls that need them while any of those pulls runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;
use windlass_archive::SkippedItems;
use windlass_oci::{Descriptor, DiffId, Digest};
use windlass_store::{BlobDraft, FinishedLayer, Layer};

use crate::blocking_drop::BlockingDrop;
use crate::error::LayerError;

/// A layer that is verified and unpacked, but not visible yet.
#[derive(Debug)]
pub(crate) struct FetchedLayer {
    pub(crate) blob: BlobDraft,
    pub(crate) layer: FinishedLayer,
    /// The digest of the tar.
    pub(crate) diff_id: DiffId,
    /// Bytes of file content.
    pub(crate) size: u64,
    pub(crate) skipped: SkippedItems,
}

/// A fetched layer, shared by all pulls that need it.
pub(crate) type SharedLayer = Arc<BlockingDrop<FetchedLayer>>;

/// A layer that a pull can use.
#[derive(Clone, Debug)]
pub(crate) enum AvailableLayer {
    /// The layer was fetched, and is not visible yet.
    Fetched(SharedLayer),
    /// The layer was stored when the transfer started.
    Stored(Layer),
}

/// The outcome of a transfer, which all its watchers receive.
pub(crate) type LayerOutcome = Result<AvailableLayer, Arc<LayerError>>;

/// By digest and size of the blob.
type WeakLayers = HashMap<(Digest, u64), Weak<BlockingDrop<FetchedLayer>>>;

/// The fetched layers that are used by a pull.
#[derive(Clone, Debug)]
pub(crate) struct FetchedLayers {
    layers: Arc<Mutex<WeakLayers>>,
    /// Every layer has a receiver until it is dropped.
    pending: watch::Sender<()>,
}

impl FetchedLayers {
    pub(crate) fn new(pending: watch::Sender<()>) -> Self {
        let layers = Arc::default();
        Self { layers, pending }
    }

    /// Adds a layer. It stays available while any pull uses it.
    pub(crate) fn insert(&self, layer: FetchedLayer) -> AvailableLayer {
        let key = (*layer.blob.digest(), layer.blob.size());
        let layer = Arc::new(BlockingDrop::new(layer, &self.pending));
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.retain(|_, layer| layer.strong_count() > 0);
        layers.insert(key, Arc::downgrade(&layer));
        AvailableLayer::Fetched(layer)
    }

    /// Returns the layer of a blob, if any pull uses it.
    pub(crate) fn get(&self, blob: &Descriptor) -> Option<AvailableLayer> {
        let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let layer = layers.get(&(blob.digest, blob.size))?.upgrade()?;
        Some(AvailableLayer::Fetched(layer))
    }
}

impl AvailableLayer {
    /// Discards the blob of a fetched layer, so that no later pull resumes from it.
    pub(crate) fn discard_blob(&self) {
        if let Self::Fetched(layer) = self {
            layer.blob.discard();
        }
    }

    /// Returns the digest of the layer's tar.
    pub(crate) fn diff_id(&self) -> DiffId {
        match self {
            Self::Fetched(layer) => layer.diff_id,
            Self::Stored(layer) => *layer.diff_id(),
        }
    }
}
