//! Makes a pulled image durable and visible, in one step.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task;
use windlass_oci::{DiffId, Reference};
use windlass_store::{BlobSource, LayerSource, NewImage, NewLayer, Store};

use crate::PullOutcome;
use crate::error::PullError;
use crate::fetched_layers::Fetched;
use crate::plan::ImagePlan;
use crate::puller::{CompleteImage, ImageLayers, Puller, blocking_result};
use crate::resolve::RawDocument;

impl Puller {
    /// Commits the image under `reference`: all of it, or nothing.
    pub(crate) async fn commit(
        &self,
        reference: &Reference,
        complete: CompleteImage,
    ) -> Result<PullOutcome, PullError> {
        let CompleteImage {
            resolved,
            plan,
            layers,
            ..
        } = complete;
        let (store, reference) = (Arc::clone(&self.store), reference.clone());
        let pending_guard = self.pending.subscribe();
        blocking_result(task::spawn_blocking(move || {
            let _not_over = pending_guard;
            let image = NewImage {
                config: document(&store, &resolved.config_bytes)?,
                manifest: document(&store, &resolved.manifest_bytes)?,
                indexes: (resolved.indexes.iter())
                    .map(|index| document(&store, index))
                    .collect::<Result<_, _>>()?,
                layers: stack(&plan, &layers),
                reference: Some(reference),
            };
            let committed = store.commit(&image)?;
            // Until here: a later request for a layer that is neither leased nor in transfer fetches it again.
            drop(layers);
            Ok(match committed.outcome {
                windlass_store::CommitOutcome::Downloaded => PullOutcome::Downloaded,
                windlass_store::CommitOutcome::UpToDate => PullOutcome::UpToDate,
            })
        }))
        .await
    }
}

/// Finds each layer of the plan among those that were here and those that came.
fn stack(plan: &ImagePlan, layers: &ImageLayers) -> Vec<NewLayer> {
    let stored: HashMap<DiffId, _> = layers
        .stored
        .iter()
        .map(|layer| (*layer.diff_id(), layer))
        .collect();
    let fetched: HashMap<DiffId, &Fetched> = layers
        .fetched
        .iter()
        .map(|layer| (layer.diff_id, layer))
        .collect();
    let place = |place: &crate::plan::LayerPlan| {
        let (layer, blob) = match fetched.get(&place.diff_id) {
            Some(new) => {
                let blob = BlobSource::New(new.blob.clone());
                (LayerSource::New(new.layer.clone()), Some(blob))
            }
            None => (LayerSource::Stored(stored[&place.diff_id].clone()), None),
        };
        let (digest, size) = (place.descriptor.digest, place.descriptor.size);
        NewLayer {
            layer,
            digest,
            size,
            blob,
        }
    };
    plan.layers().iter().map(place).collect()
}

/// Takes a document that the store has, or gives it one.
fn document(store: &Store, document: &RawDocument) -> Result<BlobSource, PullError> {
    Ok(match store.blob(&document.digest)? {
        Some(blob) => BlobSource::Stored(blob),
        None => BlobSource::New(store.put_blob(&document.digest, &document.bytes)?),
    })
}
