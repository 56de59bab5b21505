//! Unpacks a layer on a blocking thread while its blob is being downloaded.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::{self, JoinHandle};
use tokio_util::sync::CancellationToken;
use windlass_archive::{
    self as archive, HidingForm, Ownership, UnpackError, UnpackErrorOrigin, UnpackOptions,
    UnpackProgress,
};
use windlass_store::{Ingest, IngestReader, Store};
use windlass_transfer::{JobPriorities, SlotPool};

use crate::blocking::join_result;
use crate::byte_counters::ByteCounters;
use crate::error::LayerError;
use crate::fetched_layers::FetchedLayer;
use crate::layer_metadata::finish_layer;

/// The maximum number of layers that are unpacked at a time. Each occupies a thread of tokio's blocking pool, which has
/// 512 threads by default, and waits for bytes that other threads of the pool write.
const MAX_UNPACKS: usize = 256;

/// Unpacks layers, a limited number at a time.
#[derive(Clone, Debug)]
pub(crate) struct LayerUnpacker {
    store: Arc<Store>,
    slots: SlotPool,
    ownership: Ownership,
}

/// A layer that is being unpacked, or waits for a slot.
pub(crate) struct UnpackTask {
    task: JoinHandle<Result<FetchedLayer, LayerError>>,
    ingest: Ingest,
    stop: CancellationToken,
}

/// Reads a partial blob, and counts the bytes.
struct CountingReader {
    reader: IngestReader,
    counters: Arc<ByteCounters>,
}

impl LayerUnpacker {
    /// Creates an unpacker for `limit` layers at a time; 0 for as many as there are threads for.
    pub(crate) fn new(store: Arc<Store>, limit: usize, ownership: Ownership) -> Self {
        Self {
            store,
            slots: SlotPool::new(slot_count(limit)),
            ownership,
        }
    }

    /// Changes the number of layers that are unpacked at a time.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.slots.set_limit(slot_count(limit));
    }

    /// Unpacks the blob of `ingest` as soon as a slot is free, up to the bytes that were downloaded.
    pub(crate) fn start(
        &self,
        ingest: &Ingest,
        counters: Arc<ByteCounters>,
        priorities: JobPriorities,
    ) -> UnpackTask {
        let stop = CancellationToken::new();
        let (store, slots) = (Arc::clone(&self.store), self.slots.clone());
        let (stopped, reader) = (stop.clone(), ingest.reader());
        let options = UnpackOptions {
            ownership: self.ownership,
            ..UnpackOptions::default()
        };
        let task = task::spawn(async move {
            let _slot = tokio::select! {
                biased;
                () = stopped.cancelled() => return Err(LayerError::Cancelled),
                slot = slots.acquire(&priorities) => slot,
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

impl UnpackTask {
    /// Waits for the unpacked layer. Must not be called again after it has returned.
    pub(crate) async fn finished(&mut self) -> Result<FetchedLayer, LayerError> {
        join_result((&mut self.task).await)
    }

    /// Stops the thread, and waits until it has removed its files.
    pub(crate) async fn stop(self) {
        self.ingest.cancel();
        self.stop.cancel();
        if !self.task.is_finished() {
            // The result is not used: the task was cancelled, or its layer is not needed any more.
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

fn slot_count(limit: usize) -> usize {
    match limit {
        0 => MAX_UNPACKS,
        limit => limit.min(MAX_UNPACKS),
    }
}

/// Reads one blob to its end, unpacks and verifies it. Blocks until all bytes were downloaded.
fn unpack(
    store: &Store,
    mut blob: CountingReader,
    options: &UnpackOptions,
) -> Result<FetchedLayer, LayerError> {
    let draft = store.draft_layer()?;
    let progress = UnpackProgress::default();
    let usual = options.ownership.usual_hiding();
    let options = UnpackOptions {
        hiding: Some(HidingForm::probe(draft.dir(), usual)),
        ..options.clone()
    };
    let unpacked = match archive::unpack(&mut blob, draft.dir(), &options, &progress) {
        Ok(unpacked) => unpacked,
        Err(error) => return Err(classify_unpack_error(error, blob.reader)),
    };
    blob.counters.is_verifying.store(true, Ordering::Relaxed);
    let verified = blob.reader.verify()?;
    let (diff_id, size, skipped) = (unpacked.diff_id, unpacked.size, unpacked.skipped);
    let layer = finish_layer(draft, unpacked)?;
    Ok(FetchedLayer {
        blob: verified,
        layer,
        diff_id,
        size,
        skipped,
    })
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
        Err(mismatch) => LayerError::Verify(mismatch),
    }
}
