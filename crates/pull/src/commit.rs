//! Makes a pulled image durable and visible, in one step.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task;
use windlass_oci::{DiffId, Reference};
use windlass_store::{BlobSource, CommitOutcome, LayerSource, NewImage, NewLayer, Store};

use crate::blocking::blocking_result;
use crate::documents::RawDocument;
use crate::error::PullError;
use crate::fetch_image::CompleteImage;
use crate::fetched_layers::SharedLayer;
use crate::image_layers::ImageLayers;
use crate::plan::{ImagePlan, LayerPlan};
use crate::puller::Puller;
use crate::request::PullOutcome;

impl Puller {
    /// Commits the whole image under `reference`, with `artifacts` of its index, or nothing. The commit completes even if this future is dropped.
    pub(crate) async fn commit(
        &self,
        reference: &Reference,
        complete: CompleteImage,
        artifacts: Vec<BlobSource>,
    ) -> Result<PullOutcome, PullError> {
        let CompleteImage {
            resolved,
            plan,
            layers,
            ..
        } = complete;
        let (store, reference) = (Arc::clone(&self.store), reference.clone());
        let pending = self.pending.subscribe();
        blocking_result(task::spawn_blocking(move || {
            let _pending = pending;
            let is_new = |blob: &BlobSource| matches!(blob, BlobSource::New(_));
            let has_new_artifacts = artifacts.iter().any(is_new);
            let image = NewImage {
                config: document_source(&store, &resolved.config_bytes)?,
                manifest: document_source(&store, &resolved.manifest_bytes)?,
                indexes: (resolved.indexes.iter())
                    .map(|index| document_source(&store, index))
                    .collect::<Result<_, _>>()?,
                artifacts,
                layers: layer_stack(&plan, &layers),
                reference: Some(reference),
            };
            let committed = store.commit(&image)?;
            // The layers are shared with other pulls until they are visible, so that no pull fetches them again.
            drop(layers);
            Ok(match committed.outcome {
                CommitOutcome::UpToDate if !has_new_artifacts => PullOutcome::UpToDate,
                CommitOutcome::Downloaded | CommitOutcome::UpToDate => PullOutcome::Downloaded,
            })
        }))
        .await
    }
}

/// Returns the layers of the plan, each from the stored or from the fetched layers.
fn layer_stack(plan: &ImagePlan, layers: &ImageLayers) -> Vec<NewLayer> {
    let stored: HashMap<DiffId, _> = layers
        .stored
        .iter()
        .map(|layer| (*layer.diff_id(), layer))
        .collect();
    let fetched: HashMap<DiffId, &SharedLayer> = layers
        .fetched
        .iter()
        .map(|layer| (layer.diff_id, layer))
        .collect();
    let new_layer = |planned: &LayerPlan| {
        let (layer, blob) = match fetched.get(&planned.diff_id) {
            Some(fetched) => {
                let blob = BlobSource::New(fetched.blob.clone());
                (LayerSource::New(fetched.layer.clone()), Some(blob))
            }
            None => {
                let stored = stored[&planned.diff_id].clone();
                (LayerSource::Stored(stored), None)
            }
        };
        NewLayer {
            layer,
            digest: planned.descriptor.digest,
            size: planned.descriptor.size,
            blob,
        }
    };
    plan.layers().iter().map(new_layer).collect()
}

/// Returns the stored blob of a document, or stores it as a draft.
fn document_source(store: &Store, document: &RawDocument) -> Result<BlobSource, PullError> {
    Ok(match store.blob(&document.digest)? {
        Some(blob) => BlobSource::Stored(blob),
        None => BlobSource::New(store.put_blob(&document.digest, &document.bytes)?),
    })
}
