//! Fetches ranges of a blob over one or several connections.

use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use windlass_registry::{BlobStream, RegistryError};
use windlass_store::{AppendError, RangeHandle, RangeWriter};

use super::{Download, Interruption};
use crate::endpoint_queue::EndpointQueue;
use crate::layer::LayerError;

/// The connections that fill one blob, in one attempt.
pub(super) struct RangeConnections<'a> {
    download: &'a Download<'a>,
    queue: &'a EndpointQueue,
    /// How far the request for all the rest goes, while that is all there is.
    open_ended: Mutex<Option<RangeHandle>>,
    /// Whether requests for parts are answered, as far as is known.
    supports_ranges: AtomicBool,
    received: AtomicU64,
    received_by_extra: AtomicU64,
}

/// How a helper ended.
#[derive(Debug)]
pub(super) enum ExtraConnectionEnd {
    /// Nothing is left to be claimed.
    Finished,
    /// The registry does not answer requests for parts as it should.
    NoRanges,
    /// Its connection failed, or the disk.
    Failed,
}

/// Appends to a range on threads that may block, one batch at a time, while the next one is received.
struct RangeAppender<'a> {
    writes: &'a TaskTracker,
    handle: RangeHandle,
    /// Not here while it is written to.
    range_writer: Option<RangeWriter>,
    writing: Option<JoinHandle<(RangeWriter, Result<(), AppendError>)>>,
    is_full: bool,
}

impl<'a> RangeConnections<'a> {
    pub(super) fn new(download: &'a Download<'a>, queue: &'a EndpointQueue) -> Self {
        Self {
            download,
            queue,
            open_ended: Mutex::default(),
            supports_ranges: AtomicBool::new(true),
            received: AtomicU64::new(0),
            received_by_extra: AtomicU64::new(0),
        }
    }

    /// Returns whether anything came, and whether by several connections.
    pub(super) fn received(&self) -> (bool, bool) {
        let by_extra = self.received_by_extra.load(Ordering::Relaxed) > 0;
        let by_first = self.received.load(Ordering::Relaxed) > 0;
        (by_first || by_extra, by_extra)
    }

    /// Fetches what no other connection does, from the first gap on: with one request for all of it or, beside extra
    /// connections, a chunk at a time.
    pub(super) async fn run_first(&self, mut is_shared: bool) -> Result<(), Interruption> {
        let download = self.download;
        loop {
            let is_one_of_many = is_shared && self.supports_ranges.load(Ordering::Relaxed);
            let most = match is_one_of_many {
                true => download.split.chunk,
                false => u64::MAX,
            };
            let Some(range_writer) = download.writer.claim(most) else {
                return Ok(());
            };
            if !is_one_of_many {
                *self.open_ended() = Some(range_writer.handle());
            }
            let stream = self
                .open(&range_writer)
                .await
                .map_err(Interruption::Registry)?;
            self.copy_stream(stream, range_writer, &self.received)
                .await?;
            is_shared |= self.open_ended().take().is_none();
        }
    }

    /// Leaves what lies more than a chunk ahead of the first connection to others.
    pub(super) fn share_rest(&self) {
        if let Some(handle) = self.open_ended().take() {
            let ahead = self.download.writer.contiguous_bytes();
            handle.truncate(ahead.saturating_add(self.download.split.chunk));
        }
    }

    /// Fills one chunk after the other.
    pub(super) async fn run_extra(&self) -> ExtraConnectionEnd {
        let download = self.download;
        while let Some(range_writer) = download.writer.claim(download.split.chunk) {
            let range = range_writer.position()..range_writer.end();
            let stream = match self.queue.open_range(download.descriptor, range).await {
                Ok(Some(stream)) => stream,
                Ok(None) => {
                    self.supports_ranges.store(false, Ordering::Relaxed);
                    return ExtraConnectionEnd::NoRanges;
                }
                Err(error) => return failed(&error),
            };
            match self
                .copy_stream(stream, range_writer, &self.received_by_extra)
                .await
            {
                Ok(()) => {}
                Err(Interruption::Registry(error)) => return failed(&error),
                // The first connection will meet it, too.
                Err(Interruption::Final(_)) => return ExtraConnectionEnd::Failed,
            }
        }
        ExtraConnectionEnd::Finished
    }

    /// Begins to fetch `range`, and what is around it as well if it must be.
    async fn open(&self, range_writer: &RangeWriter) -> Result<BlobStream, RegistryError> {
        let descriptor = self.download.descriptor;
        if range_writer.end() < descriptor.size && self.supports_ranges.load(Ordering::Relaxed) {
            let range = range_writer.position()..range_writer.end();
            if let Some(stream) = self.queue.open_range(descriptor, range).await? {
                return Ok(stream);
            }
            self.supports_ranges.store(false, Ordering::Relaxed);
        }
        self.queue.open(descriptor, range_writer.position()).await
    }

    /// Pours what `stream` brings into `range`, until that is full or the stream ends.
    async fn copy_stream(
        &self,
        mut stream: BlobStream,
        range_writer: RangeWriter,
        received: &AtomicU64,
    ) -> Result<(), Interruption> {
        let download = self.download;
        // A server that ignores the range sends from the start: what is here already is skipped (DL-5).
        let mut skip = range_writer.position().saturating_sub(stream.starts_at());
        let mut appender = RangeAppender::new(range_writer, &download.writes);
        while !appender.is_full {
            let most = download.limits.batch();
            let (batch, ended) = receive_batch(&mut stream, &mut skip, most).await;
            if !batch.is_empty() {
                let added = appender.append(batch).await.map_err(Interruption::Final)?;
                received.fetch_add(added, Ordering::Relaxed);
                download
                    .counters
                    .downloaded
                    .fetch_add(added, Ordering::Relaxed);
                download.limits.consume(added).await;
            }
            match ended {
                None => {}
                Some(Ok(())) => break,
                Some(Err(error)) => {
                    appender.flush().await.map_err(Interruption::Final)?;
                    return Err(Interruption::Registry(error));
                }
            }
        }
        appender.flush().await.map_err(Interruption::Final)
    }

    fn open_ended(&self) -> std::sync::MutexGuard<'_, Option<RangeHandle>> {
        self.open_ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> RangeAppender<'a> {
    fn new(range_writer: RangeWriter, writes: &'a TaskTracker) -> Self {
        Self {
            writes,
            handle: range_writer.handle(),
            range_writer: Some(range_writer),
            writing: None,
            is_full: false,
        }
    }

    /// Hands as much of `batch` over as belongs to the range; returns how much that is.
    async fn append(&mut self, mut batch: Vec<Bytes>) -> Result<u64, LayerError> {
        let size = batch.iter().map(|chunk| chunk.len() as u64).sum();
        let reserved = self.handle.reserve(size);
        self.is_full = reserved < size;
        truncate(&mut batch, reserved);
        self.flush().await?;
        let mut range_writer = self
            .range_writer
            .take()
            .expect("flush returns the range writer");
        self.writing = Some(self.writes.spawn_blocking(move || {
            let slices: Vec<_> = batch.iter().map(|chunk| IoSlice::new(chunk)).collect();
            let written = range_writer.append(&slices);
            (range_writer, written)
        }));
        Ok(reserved)
    }

    /// Waits for the batch that is being written.
    async fn flush(&mut self) -> Result<(), LayerError> {
        let Some(writing) = &mut self.writing else {
            return Ok(());
        };
        let ended = writing.await;
        self.writing = None;
        let (range_writer, written) = match ended {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is being shut down.
                Err(_) => return Err(LayerError::Cancelled),
            },
        };
        self.is_full |= range_writer.position() == range_writer.end();
        self.range_writer = Some(range_writer);
        Ok(written?)
    }
}

fn failed(error: &RegistryError) -> ExtraConnectionEnd {
    tracing::debug!(%error, "a connection that helped");
    ExtraConnectionEnd::Failed
}

/// Waits for bytes, then takes what else has arrived already, up to `most`.
///
/// The second value is the end of the stream, if it was reached.
async fn receive_batch(
    stream: &mut BlobStream,
    skip: &mut u64,
    most: u64,
) -> (Vec<Bytes>, Option<Result<(), RegistryError>>) {
    let mut batch = Vec::new();
    let mut size = 0;
    let mut next = Some(stream.next_chunk().await);
    while let Some(chunk) = next {
        match chunk {
            Ok(Some(mut chunk)) => {
                skip_prefix(skip, &mut chunk);
                size += chunk.len() as u64;
                if !chunk.is_empty() {
                    batch.push(chunk);
                }
            }
            Ok(None) => return (batch, Some(Ok(()))),
            Err(error) => return (batch, Some(Err(error))),
        }
        next = if size < most {
            stream.next_chunk().now_or_never()
        } else {
            None
        };
    }
    (batch, None)
}

/// Leaves the first bytes of a chunk out, as many of the next `skip` as it has.
fn skip_prefix(skip: &mut u64, chunk: &mut Bytes) {
    let skipped = usize::try_from(*skip)
        .unwrap_or(usize::MAX)
        .min(chunk.len());
    drop(chunk.split_to(skipped));
    *skip -= skipped as u64;
}

/// Leaves out what is more than `size` bytes.
fn truncate(batch: &mut Vec<Bytes>, mut size: u64) {
    batch.retain_mut(|chunk| {
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        chunk.truncate(length);
        size -= chunk.len() as u64;
        !chunk.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DL-5: however the bytes are cut into chunks, exactly the first ones are left out.
    #[test]
    fn what_is_here_already_is_left_out() {
        let blob = Bytes::from_static(b"0123456789");
        for skip in 0..=10 {
            for size in 1..=11 {
                let mut left = skip;
                let chunks = blob.chunks(size).map(|chunk| {
                    let mut chunk = Bytes::copy_from_slice(chunk);
                    skip_prefix(&mut left, &mut chunk);
                    chunk
                });
                let rest: Vec<u8> = chunks.flatten().collect();
                assert_eq!(
                    rest,
                    blob[usize::try_from(skip).unwrap()..],
                    "{skip} {size}"
                );
                assert_eq!(left, 0);
            }
        }
    }

    /// More is left out than there is: the rest is left out of what comes next.
    #[test]
    fn leaving_out_goes_on_with_the_next_chunk() {
        let mut skip = u64::MAX;
        let mut chunk = Bytes::from_static(b"0123");
        skip_prefix(&mut skip, &mut chunk);
        assert_eq!((chunk.len(), skip), (0, u64::MAX - 4));
    }

    #[test]
    fn what_does_not_belong_to_the_piece_is_left_out() {
        let blob = Bytes::from_static(b"0123456789");
        for size in 0..=11 {
            for length in 1..=11 {
                let chunks = blob.chunks(length).map(Bytes::copy_from_slice);
                let mut batch: Vec<_> = chunks.collect();
                truncate(&mut batch, size);
                assert!(batch.iter().all(|chunk| !chunk.is_empty()));
                let kept = usize::try_from(size).unwrap().min(10);
                assert_eq!(batch.concat(), blob[..kept]);
            }
        }
    }
}
