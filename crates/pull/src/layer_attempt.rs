//! One attempt to download, verify and unpack a layer, over the endpoints of a queue.
//!
//! **The blob file is the queue.** The download appends to the partial blob; a thread reads behind it, and hashes,
//! decompresses and unpacks the bytes that were received. A slow disk does not delay the download, and memory does not
//! depend on the size of the layer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::try_join;
use tokio::task;
use tokio_util::task::TaskTracker;
use windlass_archive::UnpackErrorOrigin;
use windlass_oci::Descriptor;
use windlass_registry::RegistryError;
use windlass_store::{Ingest, IngestWriter, Retention, Store};
use windlass_transfer::{Job, Slot};

use crate::blocking::join_result;
use crate::byte_counters::ByteCounters;
use crate::disk_space::SpaceReservations;
use crate::download::{Download, DownloadTarget, SplitPolicy};
use crate::endpoint_queue::{EndpointQueue, ExcludedEndpoints};
use crate::error::{EndpointsError, LayerError};
use crate::events::LayerStatus;
use crate::fetched_layers::FetchedLayer;
use crate::layer_progress::{LayerProgress, ReportMilestone as _};
use crate::layer_unpacker::LayerUnpacker;
use crate::rate_limit::TransferLimits;
use crate::retry::RetryPolicy;
use crate::sources::Sources;

/// What the attempts of all layers share.
#[derive(Clone, Debug)]
pub(crate) struct LayerPipeline {
    pub(crate) store: Arc<Store>,
    pub(crate) unpacker: LayerUnpacker,
    pub(crate) retry: RetryPolicy,
    /// The retention of partial blobs.
    pub(crate) retention: Retention,
    pub(crate) space: Arc<SpaceReservations>,
}

/// The layer to fetch, and where to fetch it from.
pub(crate) struct LayerRequest {
    pub(crate) sources: Sources,
    pub(crate) descriptor: Descriptor,
    pub(crate) limits: TransferLimits,
}

/// One attempt to fetch a layer.
pub(crate) struct LayerAttempt<'a> {
    pub(crate) pipeline: &'a LayerPipeline,
    pub(crate) job: &'a Job<LayerProgress>,
    pub(crate) request: &'a LayerRequest,
    pub(crate) queue: EndpointQueue,
    pub(crate) split: SplitPolicy,
}

impl LayerAttempt<'_> {
    /// Fetches the layer. When this returns, the unpack thread has ended, and only finished drafts are left.
    pub(crate) async fn fetch(&mut self, slot: Slot) -> Result<FetchedLayer, LayerError> {
        let store = Arc::clone(&self.pipeline.store);
        let Descriptor { digest, size, .. } = self.request.descriptor;
        let start = task::spawn_blocking(move || Ok(store.ingest(&digest, size)?));
        let (ingest, writer) = join_result(start.await)?;
        let fetched = self.download_and_unpack(slot, &ingest, &writer).await;
        if let Err(error) = &fetched {
            if is_malformed_layer(error) || is_oversized(error) {
                ingest.discard();
            }
            self.release(ingest, writer).await;
        }
        fetched
    }

    /// Downloads the blob, and unpacks it at the same time.
    async fn download_and_unpack(
        &mut self,
        slot: Slot,
        ingest: &Ingest,
        writer: &IngestWriter,
    ) -> Result<FetchedLayer, LayerError> {
        let (job, request, pipeline) = (self.job, self.request, self.pipeline);
        let (descriptor, sources) = (&request.descriptor, &request.sources);
        let counters = Arc::new(ByteCounters::default());
        self.report_resumed_bytes(ingest, &counters);
        pipeline
            .space
            .reserve(descriptor.digest, descriptor.size, &counters);
        let priorities = job.priorities().clone();
        let mut unpack_task = pipeline
            .unpacker
            .start(ingest, Arc::clone(&counters), priorities);
        let writes = TaskTracker::new();
        let target = DownloadTarget {
            descriptor,
            writer,
            counters,
            limits: &request.limits,
            writes: writes.clone(),
        };
        let download = Download {
            job,
            target,
            retry: pipeline.retry,
            split: self.split,
        };
        let queue = &mut self.queue;
        // The empty blob needs no proof of access.
        let is_complete = writer.is_complete() && descriptor.size > 0;
        let download = async move {
            if is_complete {
                // No byte is fetched, so access to the blob has to be proved.
                sources.check_access(descriptor).await?;
            }
            download.run(slot, queue).await
        };

        // Both have to end: unpacking may finish before the response does.
        let fetched = tokio::select! {
            biased;
            () = job.cancelled() => Err(LayerError::Cancelled),
            done = try_join(download, unpack_task.finished()) => done.map(|((), layer)| layer),
        };
        if fetched.is_err() {
            unpack_task.stop().await;
        }
        writes.close();
        writes.wait().await;
        fetched
    }

    /// Reports the bytes from an earlier transfer.
    fn report_resumed_bytes(&mut self, ingest: &Ingest, counters: &Arc<ByteCounters>) {
        let bytes = ingest.stored_bytes();
        counters.downloaded.store(bytes, Ordering::Relaxed);
        let shared = Arc::clone(counters);
        self.job.publish(|progress| progress.counters = shared);
        if bytes > 0 {
            self.queue.record_resumed_bytes();
            self.job.report(LayerStatus::Resumed { bytes });
        }
    }

    /// Closes the partial blob, so that the next pull can continue it, and removes the partial blobs beyond the
    /// retention.
    async fn release(&self, ingest: Ingest, writer: IngestWriter) {
        let store = Arc::clone(&self.pipeline.store);
        let retention = self.pipeline.retention;
        let released = task::spawn_blocking(move || {
            drop((ingest, writer));
            if let Err(error) = store.expire_partials(&retention, &[]) {
                tracing::warn!(%error, "partial blobs could not be expired");
            }
        });
        drop(released.await);
    }

    /// Returns whether another attempt follows `error`, because another endpoint may have the right bytes. The endpoints
    /// that must not be used again are added to `excluded`.
    pub(crate) fn exclude_endpoints(
        self,
        error: &LayerError,
        excluded: &mut ExcludedEndpoints,
    ) -> bool {
        self.may_have_wrong_bytes(error) && self.queue.record_wrong_bytes(excluded)
    }

    /// Returns whether `error` may be caused by wrong bytes.
    fn may_have_wrong_bytes(&self, error: &LayerError) -> bool {
        match error {
            LayerError::Verify(_) => true,
            // Bytes of an earlier transfer may have been damaged on the disk since.
            LayerError::Unpack(_) => {
                is_malformed_layer(error) && self.queue.has_combined_responses()
            }
            LayerError::Download(_)
            | LayerError::Ingest(_)
            | LayerError::Append(_)
            | LayerError::Store(_)
            | LayerError::NoEndpoint
            | LayerError::Cancelled => false,
        }
    }
}

/// Returns whether the layer itself is malformed, whatever endpoint sent it.
fn is_malformed_layer(error: &LayerError) -> bool {
    matches!(error, LayerError::Unpack(error) if error.origin() == UnpackErrorOrigin::Layer)
}

/// Returns whether the endpoint has more bytes than the descriptor. Then its bytes are not those of the blob.
fn is_oversized(error: &LayerError) -> bool {
    let LayerError::Download(EndpointsError { error, .. }) = error else {
        return false;
    };
    matches!(**error, RegistryError::Size { expected, found, .. } if found > expected)
}
