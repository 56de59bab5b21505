//! Fetches one layer: from a blob in a registry to a verified and unpacked draft in the store.
//!
//! # Invariants
//! - A [`FetchedLayer`] exists only if size and digest of the whole blob match the descriptor. Its diff ID is computed
//!   from the tar; callers compare it with the config.
//! - When the transfer ends, for whatever reason, its threads have ended and only finished drafts are left.

use std::pin::pin;
use std::sync::Arc;

use tokio::task;
use windlass_oci::Descriptor;
use windlass_store::{Layer, Store};
use windlass_transfer::{Job, Slot};

use crate::blocking::join_result;
use crate::download::SplitPolicy;
use crate::endpoint_queue::{EndpointQueue, ExcludedEndpoints};
use crate::error::LayerError;
use crate::fetched_layers::{AvailableLayer, FetchedLayer, FetchedLayers, LayerOutcome};
use crate::layer_attempt::{LayerAttempt, LayerPipeline, LayerRequest};
use crate::layer_progress::LayerProgress;

/// Fetches layers. All transfers of a puller share one.
#[derive(Clone, Debug)]
pub(crate) struct LayerFetcher {
    pub(crate) pipeline: LayerPipeline,
    pub(crate) split: SplitPolicy,
    pub(crate) fetched_layers: FetchedLayers,
}

/// The start of a transfer.
enum TransferStart {
    /// The layer is available already.
    Present(AvailableLayer),
    /// The layer has to be downloaded, with this slot.
    Slot(Slot),
}

impl LayerFetcher {
    /// Downloads, verifies and unpacks the blob of `request`, unless the layer is available by now.
    pub(crate) async fn fetch(
        self,
        job: Job<LayerProgress>,
        request: LayerRequest,
    ) -> LayerOutcome {
        job.publish(|progress| progress.sources = Some(request.sources.clone()));
        let start = tokio::select! {
            biased;
            () = job.cancelled() => Err(LayerError::Cancelled),
            start = self.start(&job, &request) => start,
        };
        let fetched = match start {
            Ok(TransferStart::Present(layer)) => return Ok(layer),
            Ok(TransferStart::Slot(slot)) => self.fetch_verified(&job, &request, slot).await,
            Err(error) => Err(error),
        };
        let fetched = fetched.map_err(Arc::new)?;
        Ok(self.fetched_layers.insert(fetched))
    }

    /// Waits for a slot, and finds out meanwhile whether one is needed. The place in the queue for slots is taken first:
    /// jobs that start at the same time get their slots in this order.
    async fn start(
        &self,
        job: &Job<LayerProgress>,
        request: &LayerRequest,
    ) -> Result<TransferStart, LayerError> {
        let (mut acquire, mut slot) = (pin!(job.acquire_slot()), None);
        let mut find = pin!(self.find_present(request));
        let present = loop {
            tokio::select! {
                biased;
                acquired = &mut acquire, if slot.is_none() => slot = Some(acquired),
                present = &mut find => break present?,
            }
        };
        Ok(match (present, slot) {
            (Some(layer), _) => TransferStart::Present(layer),
            (None, Some(slot)) => TransferStart::Slot(slot),
            (None, None) => TransferStart::Slot(acquire.await),
        })
    }

    /// Finds the layer if it has become available since the pull was planned: fetched by another pull, or stored.
    async fn find_present(
        &self,
        request: &LayerRequest,
    ) -> Result<Option<AvailableLayer>, LayerError> {
        if let Some(layer) = self.fetched_layers.get(&request.descriptor) {
            request.sources.check_access(&request.descriptor).await?;
            return Ok(Some(layer));
        }
        let store = Arc::clone(&self.pipeline.store);
        let descriptor = request.descriptor.clone();
        let find = task::spawn_blocking(move || find_stored(&store, &descriptor));
        Ok(join_result(find.await)?.map(AvailableLayer::Stored))
    }

    /// Fetches until the blob matches its digest, or no other endpoint is left (T29, DL-9).
    async fn fetch_verified(
        &self,
        job: &Job<LayerProgress>,
        request: &LayerRequest,
        slot: Slot,
    ) -> Result<FetchedLayer, LayerError> {
        let mut excluded = ExcludedEndpoints::default();
        let mut last_error = None;
        let mut slot = Some(slot);
        loop {
            let queue = EndpointQueue::new(&request.sources, &request.descriptor, &excluded);
            let Some(queue) = queue else {
                return Err(last_error.unwrap_or(LayerError::NoEndpoint));
            };
            let slot = match slot.take() {
                Some(slot) => slot,
                None => tokio::select! {
                    biased;
                    () = job.cancelled() => return Err(LayerError::Cancelled),
                    slot = job.acquire_slot() => slot,
                },
            };
            let mut attempt = LayerAttempt {
                pipeline: &self.pipeline,
                job,
                request,
                queue,
                split: match excluded.tried_single_response {
                    true => self.split.single_connection(),
                    false => self.split,
                },
            };
            let error = match attempt.fetch(slot).await {
                Ok(fetched) => return Ok(fetched),
                Err(error) => error,
            };
            if !attempt.exclude_endpoints(&error, &mut excluded) {
                return Err(error);
            }
            last_error = Some(error);
        }
    }
}

/// Finds the stored layer of a stored blob.
fn find_stored(store: &Store, descriptor: &Descriptor) -> Result<Option<Layer>, LayerError> {
    let blob = match store.blob(&descriptor.digest) {
        Ok(blob) => blob.filter(|blob| blob.size() == descriptor.size),
        // The blob can be fetched instead.
        Err(error) => {
            tracing::debug!(%error, "a stored blob could not be read");
            None
        }
    };
    match blob {
        Some(_) => Ok(store.layer_of_blob(&descriptor.digest)?),
        None => Ok(None),
    }
}
