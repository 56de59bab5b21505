//! Fetches ranges of a blob over one or several connections.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use windlass_registry::{BlobStream, RegistryError};
use windlass_store::{RangeHandle, RangeWriter};

use super::batch::receive_batch;
use super::range_appender::RangeAppender;
use super::target::DownloadTarget;
use crate::endpoint_queue::EndpointQueue;
use crate::error::LayerError;

/// The connections that download one blob, in one attempt.
pub(super) struct RangeConnections<'a> {
    target: &'a DownloadTarget<'a>,
    queue: &'a EndpointQueue,
    /// The number of bytes that each of several connections requests at a time.
    chunk: u64,
    /// The range of the request for the whole rest of the blob, while there is only this one connection.
    open_ended: Mutex<Option<RangeHandle>>,
    /// Whether the endpoint supports range requests. `true` until a response shows otherwise.
    supports_ranges: AtomicBool,
    received: AtomicU64,
    received_by_extra: AtomicU64,
}

/// Why a connection ended before its range was complete.
pub(super) enum Interruption {
    /// A failure of the network or the registry. Another attempt may succeed.
    Registry(RegistryError),
    /// A failure that another attempt would meet, too.
    Final(LayerError),
}

/// The origin of the bytes that were received in one attempt.
#[derive(Clone, Copy)]
pub(super) enum ReceivedBytes {
    Nothing,
    FromOneConnection,
    FromSeveralConnections,
}

/// How an extra connection ended.
#[derive(Debug)]
pub(super) enum ExtraConnectionEnd {
    /// No range was left to be fetched.
    Finished,
    /// The endpoint does not support range requests.
    NoRanges,
    /// The connection or the disk failed.
    Failed,
}

impl<'a> RangeConnections<'a> {
    pub(super) fn new(
        target: &'a DownloadTarget<'a>,
        queue: &'a EndpointQueue,
        chunk: u64,
    ) -> Self {
        Self {
            target,
            queue,
            chunk,
            open_ended: Mutex::default(),
            supports_ranges: AtomicBool::new(true),
            received: AtomicU64::new(0),
            received_by_extra: AtomicU64::new(0),
        }
    }

    /// Returns which connections received bytes.
    pub(super) fn received(&self) -> ReceivedBytes {
        if self.received_by_extra.load(Ordering::Relaxed) > 0 {
            ReceivedBytes::FromSeveralConnections
        } else if self.received.load(Ordering::Relaxed) > 0 {
            ReceivedBytes::FromOneConnection
        } else {
            ReceivedBytes::Nothing
        }
    }

    /// Fetches all bytes that no other connection fetches, from the first gap on: in one request, or in chunks if there
    /// are extra connections (`is_shared`).
    pub(super) async fn run_first(&self, mut is_shared: bool) -> Result<(), Interruption> {
        loop {
            let in_chunks = is_shared && self.supports_ranges.load(Ordering::Relaxed);
            let max_bytes = if in_chunks { self.chunk } else { u64::MAX };
            let Some(range_writer) = self.target.writer.claim(max_bytes) else {
                return Ok(());
            };
            if !in_chunks {
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

    /// Limits the first connection to the next chunk, so that extra connections can fetch the rest.
    pub(super) fn share_rest(&self) {
        if let Some(handle) = self.open_ended().take() {
            let position = self.target.writer.contiguous_bytes();
            handle.truncate(position.saturating_add(self.chunk));
        }
    }

    /// Fetches one chunk after the other.
    pub(super) async fn run_extra(&self) -> ExtraConnectionEnd {
        while let Some(range_writer) = self.target.writer.claim(self.chunk) {
            let range = range_writer.position()..range_writer.end();
            let stream = match self.queue.open_range(self.target.descriptor, range).await {
                Ok(Some(stream)) => stream,
                Ok(None) => {
                    self.supports_ranges.store(false, Ordering::Relaxed);
                    return ExtraConnectionEnd::NoRanges;
                }
                Err(error) => return log_failure(&error),
            };
            match self
                .copy_stream(stream, range_writer, &self.received_by_extra)
                .await
            {
                Ok(()) => {}
                Err(Interruption::Registry(error)) => return log_failure(&error),
                // The first connection meets the same failure and reports it.
                Err(Interruption::Final(_)) => return ExtraConnectionEnd::Failed,
            }
        }
        ExtraConnectionEnd::Finished
    }

    /// Starts to fetch a range, or all bytes from its start on if the endpoint does not support ranges.
    async fn open(&self, range_writer: &RangeWriter) -> Result<BlobStream, RegistryError> {
        let descriptor = self.target.descriptor;
        if range_writer.end() < descriptor.size && self.supports_ranges.load(Ordering::Relaxed) {
            let range = range_writer.position()..range_writer.end();
            if let Some(stream) = self.queue.open_range(descriptor, range).await? {
                return Ok(stream);
            }
            self.supports_ranges.store(false, Ordering::Relaxed);
        }
        self.queue.open(descriptor, range_writer.position()).await
    }

    /// Appends the bytes of `stream` to the range, until the range is complete or the stream ends.
    async fn copy_stream(
        &self,
        mut stream: BlobStream,
        range_writer: RangeWriter,
        received: &AtomicU64,
    ) -> Result<(), Interruption> {
        let target = self.target;
        // A server that ignores the range sends the blob from its start: stored bytes are skipped (DL-5).
        let mut skip = range_writer.position().saturating_sub(stream.starts_at());
        let mut appender = RangeAppender::new(range_writer, &target.writes);
        while !appender.is_full {
            let max_bytes = target.limits.batch();
            let (batch, ended) = receive_batch(&mut stream, &mut skip, max_bytes).await;
            if !batch.is_empty() {
                let added = appender.append(batch).await.map_err(Interruption::Final)?;
                received.fetch_add(added, Ordering::Relaxed);
                target
                    .counters
                    .downloaded
                    .fetch_add(added, Ordering::Relaxed);
                target.limits.consume(added).await;
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

    fn open_ended(&self) -> MutexGuard<'_, Option<RangeHandle>> {
        self.open_ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_failure(error: &RegistryError) -> ExtraConnectionEnd {
    tracing::debug!(%error, "an extra connection failed");
    ExtraConnectionEnd::Failed
}
