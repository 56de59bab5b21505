//! Downloads, verifies and unpacks one layer: from a blob in a registry to a draft in the store.
//!
//! **The blob file is the queue.** The download appends to the partial blob; a thread reads behind it, and hashes,
//! decompresses and applies what has arrived. A slow disk does not stall the download, and memory does not depend on
//! the size of the layer.
//!
//! # Invariants
//! - A [`FetchedLayer`] exists only if size and digest of the whole blob match the descriptor. Its diff ID is computed
//!   from the tar; callers compare it with the config.
//! - When the work returns, for whatever reason, its thread has ended and only finished drafts are left.

use std::io::{self, Read};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::try_join;
use tokio::task::{self, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use windlass_archive::{
    self as archive, Ownership, SkippedItems, UnpackError, UnpackErrorOrigin, UnpackOptions,
    UnpackedLayer,
};
use windlass_oci::{Descriptor, DiffId};
use windlass_registry::RegistryError;
use windlass_store::{
    AppendError, BlobDraft, FinishedLayer, Ingest, IngestError, IngestReader, IngestWriter, Layer,
    LayerMetadata, LowerLink, Retention, Store, VerifyError,
};
use windlass_transfer::{Job, JobPriorities, Slot, SlotPool};

use crate::download::{Download, SplitPolicy};
use crate::endpoint_queue::{EndpointQueue, ExcludedEndpoints};
use crate::error::EndpointsError;
use crate::events::LayerStatus;
use crate::fetched_layers::{AvailableLayer, FetchedLayers};
use crate::limits::TransferLimits;
use crate::progress::{ByteCounters, LayerProgress, ReportMilestone as _};
use crate::retry::RetryPolicy;
use crate::sources::Sources;
use crate::space::SpaceReservations;

/// What every layer transfer of a process needs.
#[derive(Clone, Debug)]
pub(crate) struct LayerFetcher {
    pub(crate) store: Arc<Store>,
    /// How many layers unpack at a time.
    pub(crate) unpacks: SlotPool,
    pub(crate) ownership: Ownership,
    pub(crate) retry: RetryPolicy,
    pub(crate) split: SplitPolicy,
    pub(crate) keep: Retention,
    pub(crate) fetched_layers: FetchedLayers,
    pub(crate) space: Arc<SpaceReservations>,
}

/// A layer that is verified and unpacked, and not visible yet.
#[derive(Debug)]
pub(crate) struct FetchedLayer {
    pub(crate) blob: BlobDraft,
    pub(crate) layer: FinishedLayer,
    /// What the tar hashed to.
    pub(crate) diff_id: DiffId,
    /// Bytes of file content.
    pub(crate) size: u64,
    pub(crate) skipped: SkippedItems,
}

/// Why a layer could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// No endpoint delivered the blob, or granted access to it.
    #[error(transparent)]
    Download(EndpointsError),
    /// The partial blob could not be begun.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The partial blob could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The delivered bytes do not match the descriptor.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The blob matches the descriptor, but is no layer that can be applied.
    #[error(transparent)]
    Unpack(UnpackError),
    /// The store could not take the layer.
    #[error(transparent)]
    Store(#[from] windlass_store::LayerError),
    /// No endpoint is configured to pull from.
    #[error("no endpoint is configured to pull from")]
    NoEndpoint,
    /// All watchers left.
    #[error("cancelled")]
    Cancelled,
}

/// A transfer's outcome, as all its watchers get it.
pub(crate) type LayerOutcome = Result<AvailableLayer, Arc<LayerError>>;

/// The thread behind the download, or the wait for its turn.
struct UnpackTask {
    task: JoinHandle<Result<FetchedLayer, LayerError>>,
    ingest: Ingest,
    stop: CancellationToken,
}

/// What a transfer begins with.
enum TransferStart {
    /// There is nothing to be done.
    Present(AvailableLayer),
    /// It is its turn.
    Slot(Slot),
}

/// One attempt at the blob, over the endpoints of the queue.
struct FetchAttempt<'a> {
    fetcher: &'a LayerFetcher,
    job: &'a Job<LayerProgress>,
    sources: &'a Sources,
    descriptor: &'a Descriptor,
    limits: &'a TransferLimits,
    queue: EndpointQueue,
    split: SplitPolicy,
}

/// Counts the bytes read, for the watchers.
struct CountingReader {
    reader: IngestReader,
    counters: Arc<ByteCounters>,
}

impl LayerFetcher {
    /// Downloads, verifies and unpacks the blob of `descriptor`, unless that was done by now.
    pub(crate) async fn fetch(
        self,
        job: Job<LayerProgress>,
        sources: Sources,
        descriptor: Descriptor,
        limits: TransferLimits,
    ) -> LayerOutcome {
        job.publish(|progress| progress.sources = Some(sources.clone()));
        let start = tokio::select! {
            biased;
            () = job.cancelled() => Err(LayerError::Cancelled),
            start = self.start(&job, &sources, &descriptor) => start,
        };
        let fetched = match start {
            Ok(TransferStart::Present(arrived)) => return Ok(arrived),
            Ok(TransferStart::Slot(slot)) => {
                self.fetch_verified(&job, &sources, &descriptor, &limits, slot)
                    .await
            }
            Err(error) => Err(error),
        };
        let fetched = fetched.map_err(Arc::new)?;
        Ok(self.fetched_layers.insert(fetched))
    }

    /// Waits for a slot, and looks meanwhile whether one is needed. The place in the queue is taken first: those
    /// that begin at once get their slots in this order.
    async fn start(
        &self,
        job: &Job<LayerProgress>,
        sources: &Sources,
        descriptor: &Descriptor,
    ) -> Result<TransferStart, LayerError> {
        let (mut queued, mut slot) = (pin!(job.acquire_slot()), None);
        let mut here = pin!(self.find_present(sources, descriptor));
        let here = loop {
            tokio::select! {
                biased;
                taken = &mut queued, if slot.is_none() => slot = Some(taken),
                here = &mut here => break here?,
            }
        };
        Ok(match (here, slot) {
            (Some(arrived), _) => TransferStart::Present(arrived),
            (None, Some(slot)) => TransferStart::Slot(slot),
            (None, None) => TransferStart::Slot(queued.await),
        })
    }

    /// Finds the layer if it came since it was found missing: for a pull that goes on, or for good.
    async fn find_present(
        &self,
        sources: &Sources,
        descriptor: &Descriptor,
    ) -> Result<Option<AvailableLayer>, LayerError> {
        if let Some(arrived) = self.fetched_layers.get(descriptor) {
            sources.check_access(descriptor).await?;
            return Ok(Some(arrived));
        }
        let (store, descriptor) = (Arc::clone(&self.store), descriptor.clone());
        let held =
            join_result(task::spawn_blocking(move || find_stored(&store, &descriptor)).await)?;
        Ok(held.map(AvailableLayer::Stored))
    }

    /// Fetches until the blob is correct, or no better endpoint is left (T29, DL-9).
    async fn fetch_verified(
        &self,
        job: &Job<LayerProgress>,
        sources: &Sources,
        descriptor: &Descriptor,
        limits: &TransferLimits,
        slot: Slot,
    ) -> Result<FetchedLayer, LayerError> {
        let mut excluded = ExcludedEndpoints::default();
        let mut wrong = None;
        let mut slot = Some(slot);
        loop {
            let Some(queue) = EndpointQueue::new(sources, descriptor, &excluded) else {
                return Err(wrong.unwrap_or(LayerError::NoEndpoint));
            };
            let slot = match slot.take() {
                Some(slot) => slot,
                None => tokio::select! {
                    biased;
                    () = job.cancelled() => return Err(LayerError::Cancelled),
                    slot = job.acquire_slot() => slot,
                },
            };
            let mut attempt = FetchAttempt {
                fetcher: self,
                job,
                sources,
                descriptor,
                limits,
                queue,
                // What has to come in one piece comes over one connection.
                split: self.split.unless(excluded.tried_single_response),
            };
            let error = match attempt.fetch(slot).await {
                Err(error) if attempt.may_have_wrong_bytes(&error) => error,
                done => return done,
            };
            if !attempt.queue.record_wrong_bytes(&mut excluded) {
                return Err(error);
            }
            wrong = Some(error);
        }
    }

    /// Starts what follows behind the download, as soon as it is its turn.
    fn start_unpack(
        &self,
        ingest: &Ingest,
        counters: Arc<ByteCounters>,
        priorities: JobPriorities,
    ) -> UnpackTask {
        let stop = CancellationToken::new();
        let (store, unpacks) = (Arc::clone(&self.store), self.unpacks.clone());
        let (stopped, reader) = (stop.clone(), ingest.reader());
        let options = UnpackOptions {
            ownership: self.ownership,
            ..UnpackOptions::default()
        };
        let task = task::spawn(async move {
            let _slot = tokio::select! {
                biased;
                () = stopped.cancelled() => return Err(LayerError::Cancelled),
                slot = unpacks.acquire(&priorities) => slot,
            };
            let blob = CountingReader { reader, counters };
            join_result(task::spawn_blocking(move || unpack(&store, blob, &options)).await)
        });
        UnpackTask {
            task,
            ingest: ingest.clone(),
            stop,
        }
    }
}

impl FetchAttempt<'_> {
    async fn fetch(&mut self, slot: Slot) -> Result<FetchedLayer, LayerError> {
        let (store, digest) = (Arc::clone(&self.fetcher.store), self.descriptor.digest);
        let size = self.descriptor.size;
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

    /// Downloads and unpacks, one behind the other.
    async fn download_and_unpack(
        &mut self,
        slot: Slot,
        ingest: &Ingest,
        writer: &IngestWriter,
    ) -> Result<FetchedLayer, LayerError> {
        let (job, descriptor) = (self.job, self.descriptor);
        let counters = Arc::new(ByteCounters::default());
        self.resume(ingest, &counters);
        let space = &self.fetcher.space;
        space.reserve(descriptor.digest, descriptor.size, &counters);
        let priorities = job.priorities().clone();
        let mut unpack_task =
            { self.fetcher }.start_unpack(ingest, Arc::clone(&counters), priorities);
        let writes = TaskTracker::new();
        let download = Download {
            job,
            descriptor,
            writer,
            counters,
            retry: self.fetcher.retry,
            split: self.split,
            limits: self.limits,
            writes: writes.clone(),
        };
        let (sources, queue) = (self.sources, &mut self.queue);
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
            done = try_join(download, unpack_task.ended()) => done.map(|((), layer)| layer),
        };
        if fetched.is_err() {
            unpack_task.stop().await;
        }
        writes.close();
        writes.wait().await;
        fetched
    }

    /// Reports the bytes from an earlier transfer.
    fn resume(&mut self, ingest: &Ingest, counters: &Arc<ByteCounters>) {
        let bytes = ingest.stored_bytes();
        counters.downloaded.store(bytes, Ordering::Relaxed);
        let shared = Arc::clone(counters);
        self.job.publish(|progress| progress.counters = shared);
        if bytes > 0 {
            self.queue.record_resumed_bytes();
            self.job.report(LayerStatus::Resumed { bytes });
        }
    }

    /// Leaves what there is to the next pull, within the bounds. Takes as long as the disk does.
    async fn release(&self, ingest: Ingest, writer: IngestWriter) {
        let (store, keep) = (Arc::clone(&self.fetcher.store), self.fetcher.keep);
        let gone = task::spawn_blocking(move || {
            drop((ingest, writer));
            if let Err(error) = store.expire_partials(&keep, &[]) {
                tracing::warn!(%error, "partial blobs are not looked after");
            }
        });
        drop(gone.await);
    }

    /// Returns whether `error` may be caused by wrong bytes, so that another endpoint may have the right ones.
    fn may_have_wrong_bytes(&self, error: &LayerError) -> bool {
        match error {
            LayerError::Verify(_) => true,
            // What was hashed before is not hashed again: a disk that has lost it since shows here.
            _ => is_malformed_layer(error) && self.queue.has_combined_responses(),
        }
    }
}

impl UnpackTask {
    /// Waits for the outcome, which there is only once.
    async fn ended(&mut self) -> Result<FetchedLayer, LayerError> {
        join_result((&mut self.task).await)
    }

    /// Ends the thread and waits until it has cleaned up behind itself.
    async fn stop(self) {
        self.ingest.cancel();
        self.stop.cancel();
        if !self.task.is_finished() {
            // The outcome is irrelevant: the task was cancelled, or ended too late.
            drop(self.task.await);
        }
    }
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.counters
            .unpacked
            .store(self.reader.position(), Ordering::Relaxed);
        Ok(read)
    }
}

/// Follows one blob to its end. Blocks.
fn unpack(
    store: &Store,
    mut blob: CountingReader,
    options: &UnpackOptions,
) -> Result<FetchedLayer, LayerError> {
    let draft = store.draft_layer()?;
    let progress = archive::UnpackProgress::default();
    let unpacked = match archive::unpack(&mut blob, draft.dir(), options, &progress) {
        Ok(unpacked) => unpacked,
        Err(error) => return Err(classify_unpack_error(error, blob.reader)),
    };
    blob.counters.is_verifying.store(true, Ordering::Relaxed);
    let verified = blob.reader.verify()?;
    let (diff_id, size, skipped) = (unpacked.diff_id, unpacked.size, unpacked.skipped);
    let layer = draft.finish(layer_metadata(unpacked));
    Ok(FetchedLayer {
        blob: verified,
        layer,
        diff_id,
        size,
        skipped,
    })
}

/// Returns what the store keeps of what unpacking a layer found out.
pub(crate) fn layer_metadata(unpacked: UnpackedLayer) -> LayerMetadata {
    let mut implied_directories = unpacked.implied_directories;
    if !unpacked.has_root_entry {
        implied_directories.insert(0, Vec::new());
    }
    let link = |link: archive::LowerLayerLink| LowerLink {
        path: link.path,
        target: link.target,
    };
    LayerMetadata {
        diff_id: unpacked.diff_id,
        size: unpacked.size,
        entries: unpacked.entries,
        implied_directories,
        lower_links: unpacked.lower_links.into_iter().map(link).collect(),
    }
}

/// Classifies an unpack error.
///
/// Wrong bytes usually make the archive fail before the digest is checked. The rest is read to report the digest
/// mismatch in that case.
fn classify_unpack_error(error: UnpackError, mut reader: IngestReader) -> LayerError {
    if error.origin() != UnpackErrorOrigin::Layer || io::copy(&mut reader, &mut io::sink()).is_err()
    {
        return LayerError::Unpack(error);
    }
    match reader.verify() {
        Ok(_) => LayerError::Unpack(error),
        Err(wrong) => LayerError::Verify(wrong),
    }
}

/// Finds the layer that the blob was seen to unpack to, if both are held.
fn find_stored(store: &Store, descriptor: &Descriptor) -> Result<Option<Layer>, LayerError> {
    let blob = match store.blob(&descriptor.digest) {
        Ok(blob) => blob.filter(|blob| blob.size() == descriptor.size),
        // Whatever is wrong with it, it can be fetched.
        Err(error) => {
            tracing::debug!(%error, "a blob that may be held");
            None
        }
    };
    match blob {
        Some(_) => Ok(store.layer_of_blob(&descriptor.digest)?),
        None => Ok(None),
    }
}

/// Returns whether the layer itself is malformed, whatever endpoint sent it.
fn is_malformed_layer(error: &LayerError) -> bool {
    matches!(error, LayerError::Unpack(error) if error.origin() == UnpackErrorOrigin::Layer)
}

/// Returns whether the endpoint has more bytes than the descriptor: then they are not those of its blob.
fn is_oversized(error: &LayerError) -> bool {
    let LayerError::Download(EndpointsError { error, .. }) = error else {
        return false;
    };
    matches!(**error, RegistryError::Size { expected, found, .. } if found > expected)
}

fn join_result<T>(ended: Result<Result<T, LayerError>, task::JoinError>) -> Result<T, LayerError> {
    match ended {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down.
            Err(_) => Err(LayerError::Cancelled),
        },
    }
}
