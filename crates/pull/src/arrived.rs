//! Layers that have arrived, for every pull that needs them while any of them goes on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;
use windlass_oci::{Descriptor, DiffId, Digest};
use windlass_store::Layer;

use crate::layer::FetchedLayer;
use crate::off_thread::OffThread;

/// A layer that a pull can have.
#[derive(Clone, Debug)]
pub(crate) enum Arrived {
    /// It was fetched, and is not visible yet.
    Fetched(Fetched),
    /// It was held by the time it was asked for.
    Held(Layer),
}

/// A layer that was fetched, for all who wanted it.
pub(crate) type Fetched = Arc<OffThread<FetchedLayer>>;

/// By digest and size of the blob.
type Somebodys = HashMap<(Digest, u64), Weak<OffThread<FetchedLayer>>>;

/// The layers that were fetched and that some pull still has.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    layers: Arc<Mutex<Somebodys>>,
    /// Every layer holds a receiver until it is gone.
    over: watch::Sender<()>,
}

impl Arrivals {
    pub(crate) fn new(over: watch::Sender<()>) -> Self {
        let layers = Arc::default();
        Self { layers, over }
    }

    /// Takes note of a layer, for as long as somebody has it.
    pub(crate) fn arrived(&self, layer: FetchedLayer) -> Arrived {
        let key = (*layer.blob.digest(), layer.blob.size());
        let layer = Arc::new(OffThread::new(layer, &self.over));
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.retain(|_, layer| layer.strong_count() > 0);
        layers.insert(key, Arc::downgrade(&layer));
        Arrived::Fetched(layer)
    }

    /// Returns the layer of a blob, if somebody has it.
    pub(crate) fn get(&self, blob: &Descriptor) -> Option<Arrived> {
        let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let layer = layers.get(&(blob.digest, blob.size))?.upgrade()?;
        Some(Arrived::Fetched(layer))
    }
}

impl Arrived {
    /// Has nothing of it kept for a pull to come, if this one does not need it.
    pub(crate) fn is_of_no_use(&self) {
        if let Self::Fetched(layer) = self {
            layer.blob.discard();
        }
    }

    /// Returns what its tar hashed to.
    pub(crate) fn diff_id(&self) -> DiffId {
        match self {
            Self::Fetched(layer) => layer.diff_id,
            Self::Held(layer) => *layer.diff_id(),
        }
    }
}
