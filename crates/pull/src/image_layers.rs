//! Fetches the missing layers of an image, in transfers that concurrent pulls share.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::TryFutureExt as _;
use futures_util::future::{try_join, try_join_all};
use tokio::task;
use windlass_oci::{DiffId, Digest};
use windlass_store::{Layer, PartialBlob, Store};
use windlass_transfer::{Priority, Watcher};

use crate::blocking::blocking_result;
use crate::error::PullError;
use crate::fetched_layers::{AvailableLayer, LayerOutcome, SharedLayer};
use crate::layer_attempt::LayerRequest;
use crate::layer_progress::LayerProgress;
use crate::layer_reporter::wait_for_layer;
use crate::plan::MissingLayer;
use crate::pull_context::PullContext;
use crate::puller::Puller;
use crate::sources::Sources;

/// All layers of an image. The stored ones cannot be removed while this exists.
#[derive(Debug, Default)]
pub(crate) struct ImageLayers {
    pub(crate) stored: Vec<Layer>,
    pub(crate) fetched: Vec<SharedLayer>,
    /// The blobs of layers that another pull has stored since this one was planned, with their diff IDs.
    stored_blobs: Vec<(Digest, DiffId)>,
}

impl ImageLayers {
    /// Returns the diff IDs of the layers that were missing when the pull was planned, by their blobs.
    pub(crate) fn diff_ids_by_blob(&self) -> HashMap<Digest, DiffId> {
        let fetched = self.fetched.iter();
        let fetched = fetched.map(|layer| (*layer.blob.digest(), layer.diff_id));
        fetched.chain(self.stored_blobs.iter().copied()).collect()
    }
}

/// Finds the stored layers with these diff IDs. They cannot be removed while the result exists.
pub(crate) async fn find_stored_layers(
    store: &Arc<Store>,
    diff_ids: Vec<DiffId>,
) -> Result<Vec<Layer>, PullError> {
    let store = Arc::clone(store);
    blocking_result(task::spawn_blocking(move || {
        let layers = diff_ids
            .iter()
            .filter_map(|diff_id| store.layer(diff_id).transpose());
        Ok(layers.collect::<Result<_, _>>()?)
    }))
    .await
}

/// Lists the partial blobs of earlier pulls.
pub(crate) async fn list_partial_blobs(store: &Arc<Store>) -> Result<Vec<PartialBlob>, PullError> {
    let store = Arc::clone(store);
    blocking_result(task::spawn_blocking(move || Ok(store.partial_blobs()?))).await
}

impl Puller {
    /// Fetches all missing layers, base first, if there is space for them. The first failure ends the fetch.
    pub(crate) async fn fetch_layers(
        &self,
        context: &PullContext<'_>,
        missing: Vec<MissingLayer>,
        partials: &[PartialBlob],
        stored: Vec<Layer>,
    ) -> Result<ImageLayers, PullError> {
        self.space
            .ensure_space(&self.store, &missing, partials)
            .await?;
        // All transfers are joined before the first is polled, so that slots are acquired in this order.
        let mut transfers = Vec::new();
        for (rank, layer) in (0..).zip(missing) {
            let group = context.group;
            let priority = Priority { group, rank };
            let watcher = self.join_transfer(context, &layer, priority);
            transfers.push(self.wait_for_access_and_layer(context, layer, priority, watcher));
        }
        let mut layers = ImageLayers {
            stored,
            ..ImageLayers::default()
        };
        for (digest, available) in try_join_all(transfers).await? {
            match available {
                AvailableLayer::Fetched(layer) => layers.fetched.push(layer),
                AvailableLayer::Stored(layer) => {
                    layers.stored_blobs.push((digest, *layer.diff_id()));
                    layers.stored.push(layer);
                }
            }
        }
        Ok(layers)
    }

    /// Waits for a layer. A layer that another pull fetches is used once this pull has proved its access to the blob.
    async fn wait_for_access_and_layer(
        &self,
        context: &PullContext<'_>,
        missing: MissingLayer,
        priority: Priority,
        mut watcher: Watcher<LayerProgress, LayerOutcome>,
    ) -> Result<(Digest, AvailableLayer), PullError> {
        let digest = missing.descriptor.digest;
        loop {
            let is_own_transfer = watcher.started_job();
            let has_access = is_own_transfer || has_access(&watcher, &context.sources);
            let proof = async {
                match has_access {
                    true => Ok(()),
                    false => context
                        .sources
                        .check_access(&missing.descriptor)
                        .await
                        .map_err(Ok),
                }
            };
            let layer = wait_for_layer(watcher, &missing, context.events);
            match try_join(proof, layer.map_err(Err)).await {
                Ok(((), available)) => return Ok((digest, available)),
                Err(Ok(source)) => {
                    let source = Arc::new(source);
                    return Err(PullError::Layer { digest, source });
                }
                // The transfer of another pull failed; this pull starts its own.
                Err(Err(PullError::Layer { .. })) if !is_own_transfer => {}
                Err(Err(error)) => return Err(error),
            }
            watcher = self.join_transfer(context, &missing, priority);
        }
    }

    /// Joins the transfer of a layer's blob, or starts it.
    fn join_transfer(
        &self,
        context: &PullContext<'_>,
        missing: &MissingLayer,
        priority: Priority,
    ) -> Watcher<LayerProgress, LayerOutcome> {
        let fetcher = self.fetcher.clone();
        let key = (missing.descriptor.digest, missing.descriptor.size);
        let registry = context.sources.name().registry();
        let request = LayerRequest {
            sources: context.sources.clone(),
            descriptor: missing.descriptor.clone(),
            limits: self.transfer_limits(registry, &context.request.throttle),
        };
        let fetch = move |job| fetcher.fetch(job, request);
        self.transfers.join(key, priority, fetch)
    }
}

/// Returns whether the transfer has the same access as `sources`, so that no proof is needed.
fn has_access(watcher: &Watcher<LayerProgress, LayerOutcome>, sources: &Sources) -> bool {
    let of_transfer = watcher.progress().sources;
    of_transfer.is_some_and(|other| other.has_same_access(sources))
}
