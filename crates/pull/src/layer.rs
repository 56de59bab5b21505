//! One layer's transfer: from a blob in a registry to a verified, unpacked draft.
//!
//! **The blob file is the queue.** The download appends to the partial blob; a thread follows behind it,
//! hashing, decompressing and applying what has arrived. A slow disk does not stall the wire, and memory
//! does not depend on the size of anything.
//!
//! # Invariants
//! - A [`FetchedLayer`] exists only if size and digest of the whole blob are those of the descriptor. Its
//!   diff ID is what the tar was seen to hash to, whatever any config says; who needs a certain one
//!   compares.
//! - When the work returns, for whatever reason, its thread has ended and nothing but the finished drafts
//!   is left of it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::try_join;
use tokio::task::{self, JoinHandle};
use tokio_util::sync::CancellationToken;
use windlass_archive::{self as archive, Fault, Options, Ownership, Skipped, UnpackError};
use windlass_oci::{Descriptor, DiffId};
use windlass_registry::RegistryError;
use windlass_store::{
    AppendError, BlobDraft, FinishedLayer, Follower, Ingest, IngestError, LayerFacts, LowerLink,
    Store, VerifyError,
};
use windlass_transfer::{Job, Slot, Slots};

use crate::download::{Appender, Counters, Download, Progress};
use crate::line::{Excluded, Line};
use crate::retry::RetryPolicy;
use crate::sources::Sources;

/// What every layer transfer of a process needs.
#[derive(Clone, Debug)]
pub(crate) struct LayerFetcher {
    pub(crate) store: Arc<Store>,
    /// How many layers unpack at a time.
    pub(crate) unpacks: Slots,
    pub(crate) ownership: Ownership,
    pub(crate) retry: RetryPolicy,
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
    pub(crate) skipped: Skipped,
}

/// Why a layer could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The registry did not deliver the blob.
    #[error(transparent)]
    Download(Arc<RegistryError>),
    /// The partial blob could not be begun.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The partial blob could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// What was delivered is not what the descriptor says.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The blob is what the descriptor says, and no layer that can be applied.
    #[error(transparent)]
    Unpack(UnpackError),
    /// The store could not take the layer.
    #[error(transparent)]
    Store(#[from] windlass_store::LayerError),
    /// No endpoint is configured to pull from.
    #[error("no endpoint is configured to pull from")]
    Nobody,
    /// Nobody waited for it any more.
    #[error("cancelled")]
    Cancelled,
}

/// A transfer's outcome, as all its watchers get it.
pub(crate) type Outcome = Result<Arc<FetchedLayer>, Arc<LayerError>>;

/// The thread behind the download, or the wait for its turn.
struct Following {
    task: JoinHandle<Result<FetchedLayer, LayerError>>,
    ingest: Ingest,
    stop: CancellationToken,
}

/// Counts what is read, for whoever watches.
struct Counted {
    follower: Follower,
    counters: Arc<Counters>,
}

impl LayerFetcher {
    /// Downloads, verifies and unpacks the blob of `descriptor`.
    pub(crate) async fn fetch(
        self,
        job: Job<Progress>,
        sources: Sources,
        descriptor: Descriptor,
    ) -> Outcome {
        let fetched = self.fetch_from(&job, &sources, &descriptor).await;
        fetched.map(Arc::new).map_err(Arc::new)
    }

    /// Fetches until what came is right, or nobody is left who could do better (T29, DL-9).
    async fn fetch_from(
        &self,
        job: &Job<Progress>,
        sources: &Sources,
        descriptor: &Descriptor,
    ) -> Result<FetchedLayer, LayerError> {
        let mut excluded = Excluded::default();
        let mut wrong = None;
        loop {
            let Some(mut line) = Line::up(sources, descriptor, &excluded) else {
                return Err(wrong.unwrap_or(LayerError::Nobody));
            };
            let slot = tokio::select! {
                biased;
                () = job.cancelled() => return Err(LayerError::Cancelled),
                slot = job.slot() => slot,
            };
            let error = match self.fetch_in(slot, job, &mut line, descriptor).await {
                Err(error @ LayerError::Verify(_)) => error,
                done => return done,
            };
            if !line.was_wrong(&mut excluded) {
                return Err(error);
            }
            wrong = Some(error);
        }
    }

    async fn fetch_in(
        &self,
        slot: Slot,
        job: &Job<Progress>,
        line: &mut Line,
        descriptor: &Descriptor,
    ) -> Result<FetchedLayer, LayerError> {
        let (ingest, writer) = self.store.ingest(&descriptor.digest, descriptor.size)?;
        let counters = Arc::new(Counters::default());
        let mut following = self.follow(ingest, Arc::clone(&counters));
        let mut appender = Appender::new(writer);
        let download = Download {
            job,
            descriptor,
            counters,
            retry: self.retry,
        };

        // Both have to come to their end: who follows may be through while the end of the answer is out.
        let fetched = tokio::select! {
            biased;
            () = job.cancelled() => Err(LayerError::Cancelled),
            done = try_join(download.run(slot, line, &mut appender), following.ended()) => {
                done.map(|((), layer)| layer)
            }
        };
        if fetched.is_err() {
            following.stop().await;
            appender.settle().await;
        }
        fetched
    }

    /// Starts what follows behind the download, as soon as it is its turn.
    fn follow(&self, ingest: Ingest, counters: Arc<Counters>) -> Following {
        let stop = CancellationToken::new();
        let (store, unpacks) = (Arc::clone(&self.store), self.unpacks.clone());
        let (stopped, follower) = (stop.clone(), ingest.follower());
        let options = Options {
            ownership: self.ownership,
            ..Options::default()
        };
        let task = task::spawn(async move {
            let _slot = tokio::select! {
                biased;
                () = stopped.cancelled() => return Err(LayerError::Cancelled),
                slot = unpacks.take() => slot,
            };
            let blob = Counted { follower, counters };
            joined(task::spawn_blocking(move || unpack(&store, blob, &options)).await)
        });
        Following { task, ingest, stop }
    }
}

impl Following {
    /// Waits for the outcome, which there is only once.
    async fn ended(&mut self) -> Result<FetchedLayer, LayerError> {
        joined((&mut self.task).await)
    }

    /// Ends the thread and waits until it has cleaned up behind itself.
    async fn stop(self) {
        self.ingest.cancel();
        self.stop.cancel();
        if !self.task.is_finished() {
            // Its outcome is that it was told to stop, or came too late.
            drop(self.task.await);
        }
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.follower.read(buffer)?;
        self.counters
            .unpacked
            .store(self.follower.position(), Ordering::Relaxed);
        Ok(read)
    }
}

/// Follows one blob to its end. Blocks.
fn unpack(store: &Store, mut blob: Counted, options: &Options) -> Result<FetchedLayer, LayerError> {
    let draft = store.draft_layer()?;
    let progress = archive::Progress::default();
    let unpacked = match archive::unpack(&mut blob, draft.dir(), options, &progress) {
        Ok(unpacked) => unpacked,
        Err(error) => return Err(verdict(error, blob.follower)),
    };
    let verified = blob.follower.verify()?;
    let mut implied_directories = unpacked.implied_directories;
    if !unpacked.carries_root {
        implied_directories.insert(0, Vec::new());
    }
    let layer = draft.finish(LayerFacts {
        diff_id: unpacked.diff_id,
        size: unpacked.size,
        entries: unpacked.entries,
        implied_directories,
        lower_links: unpacked
            .lower_links
            .into_iter()
            .map(|link| LowerLink {
                path: link.path,
                target: link.target,
            })
            .collect(),
    });
    Ok(FetchedLayer {
        blob: verified,
        layer,
        diff_id: unpacked.diff_id,
        size: unpacked.size,
        skipped: unpacked.skipped,
    })
}

/// Says whose fault it was that a layer could not be unpacked.
///
/// Bytes that are not those of the digest make an archive fail first; the right thing to say is that
/// the digest is wrong. To know, the rest has to be read.
fn verdict(error: UnpackError, mut follower: Follower) -> LayerError {
    if error.fault() != Fault::Layer || io::copy(&mut follower, &mut io::sink()).is_err() {
        return LayerError::Unpack(error);
    }
    match follower.verify() {
        Ok(_) => LayerError::Unpack(error),
        Err(wrong) => LayerError::Verify(wrong),
    }
}

fn joined<T>(ended: Result<Result<T, LayerError>, task::JoinError>) -> Result<T, LayerError> {
    match ended {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down.
            Err(_) => Err(LayerError::Cancelled),
        },
    }
}
