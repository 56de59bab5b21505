//! Fetched layers, shared by all pulls that need them while any of those pulls runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;
use windlass_oci::{Descriptor, DiffId, Digest};
use windlass_store::Layer;

use crate::blocking_drop::BlockingDrop;
use crate::layer::FetchedLayer;

/// A layer that a pull can have.
#[derive(Clone, Debug)]
pub(crate) enum AvailableLayer {
    /// It was fetched, and is not visible yet.
    Fetched(Fetched),
    /// The store had it when the transfer started.
    Stored(Layer),
}

/// A fetched layer, shared by all pulls that need it.
pub(crate) type Fetched = Arc<BlockingDrop<FetchedLayer>>;

/// By digest and size of the blob.
type WeakLayers = HashMap<(Digest, u64), Weak<BlockingDrop<FetchedLayer>>>;

/// The layers that were fetched and that some pull still has.
#[derive(Clone, Debug)]
pub(crate) struct FetchedLayers {
    layers: Arc<Mutex<WeakLayers>>,
    /// Every layer holds a receiver until it is gone.
    over: watch::Sender<()>,
}

impl FetchedLayers {
    pub(crate) fn new(over: watch::Sender<()>) -> Self {
        let layers = Arc::default();
        Self { layers, over }
    }

    /// Adds a layer; it stays available while any pull holds it.
    pub(crate) fn insert(&self, layer: FetchedLayer) -> AvailableLayer {
        let key = (*layer.blob.digest(), layer.blob.size());
        let layer = Arc::new(BlockingDrop::new(layer, &self.over));
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.retain(|_, layer| layer.strong_count() > 0);
        layers.insert(key, Arc::downgrade(&layer));
        AvailableLayer::Fetched(layer)
    }

    /// Returns the layer of a blob, if any pull holds it.
    pub(crate) fn get(&self, blob: &Descriptor) -> Option<AvailableLayer> {
        let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let layer = layers.get(&(blob.digest, blob.size))?.upgrade()?;
        Some(AvailableLayer::Fetched(layer))
    }
}

impl AvailableLayer {
    /// Discards the blob so that no later pull resumes from it.
    pub(crate) fn discard_blob(&self) {
        if let Self::Fetched(layer) = self {
            layer.blob.discard();
        }
    }

    /// Returns what its tar hashed to.
    pub(crate) fn diff_id(&self) -> DiffId {
        match self {
            Self::Fetched(layer) => layer.diff_id,
            Self::Stored(layer) => *layer.diff_id(),
        }
    }
}
