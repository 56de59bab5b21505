//! Brings the bytes of one blob into its partial blob, with as many attempts as it takes.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::task::{self, JoinHandle};
use tokio::time;
use windlass_oci::Descriptor;
use windlass_registry::{BlobStream, RegistryError};
use windlass_store::{AppendError, IngestWriter};
use windlass_transfer::{Job, Slot};

use crate::events::{LayerStatus, Reason};
use crate::layer::LayerError;
use crate::line::Line;
use crate::retry::{Attempts, RetryPolicy};

/// Bytes that are written in one go, at most; what has arrived is written without waiting for more.
const BATCH: usize = 1 << 20;

/// Milestones that are kept for watchers who look seldom.
const KEPT: usize = 16;

/// Where a layer's transfer stands, for whoever watches it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// The last milestones, the latest at the end.
    recent: VecDeque<LayerStatus>,
    /// How many milestones there were; two equal ones are still two.
    pub(crate) number: u64,
    /// Byte counts, which move between milestones.
    pub(crate) counters: Arc<Counters>,
}

/// Compressed bytes, out of the layer's size.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Bytes that have arrived.
    pub(crate) downloaded: AtomicU64,
    /// Bytes that were verified, decompressed and written out.
    pub(crate) unpacked: AtomicU64,
}

/// One blob's download.
pub(crate) struct Download<'a> {
    pub(crate) job: &'a Job<Progress>,
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) counters: Arc<Counters>,
    pub(crate) retry: RetryPolicy,
}

/// Why one attempt ended early.
enum Interrupted {
    /// The network's fault, and perhaps gone by the next attempt.
    Registry(RegistryError),
    /// Not the network's fault.
    Final(LayerError),
}

/// What to do after a failed attempt.
enum Next {
    /// The same once more, or another one, after this pause.
    Attempt(Duration),
    GiveUp,
}

impl Download<'_> {
    /// Downloads until the blob is whole, keeping what has arrived between attempts, from whoever in `line`
    /// delivers it.
    ///
    /// The slot is given back while nothing is downloaded: during pauses (DM-11), and at the end. Who drops
    /// this future before it is done has yet to [settle](Appender::settle) the appender.
    pub(crate) async fn run(
        self,
        slot: Slot,
        line: &mut Line,
        appender: &mut Appender,
    ) -> Result<(), LayerError> {
        let mut slot = Some(slot);
        let mut attempts = Attempts::new(self.retry);
        loop {
            slot = Some(self.left_alone(slot, line, &attempts).await);
            let before = appender.offset;
            self.tell(LayerStatus::Connecting {
                endpoint: line.current().origin(),
                attempt: attempts.current(),
            });
            let ended = self.attempt(line, appender).await;
            // What was written is kept, however the attempt ended. What was not cannot be asked for again:
            // the appender is past it.
            let written = appender.flush().await;
            drop(slot.take());
            let error = match written.map_err(Interrupted::Final).and(ended) {
                Ok(()) => break,
                Err(Interrupted::Final(error)) => return Err(error),
                Err(Interrupted::Registry(error)) => Arc::new(error),
            };
            let progressed = appender.offset > before;
            match next(line, &mut attempts, &error, progressed) {
                Next::GiveUp => return Err(LayerError::Download(error)),
                Next::Attempt(after) => {
                    let attempt = attempts.current();
                    let reason = Reason(error);
                    self.tell(LayerStatus::Retrying {
                        after,
                        attempt,
                        reason,
                    });
                    time::sleep(after).await;
                }
            }
        }
        self.tell(LayerStatus::Downloaded);
        appender.finish()
    }

    /// Waits for a slot, and for the time that the endpoint asked to be left alone, whichever transfer it
    /// said so to; the slot is given back meanwhile.
    async fn left_alone(&self, mut slot: Option<Slot>, line: &Line, attempts: &Attempts) -> Slot {
        loop {
            let slot = match slot.take() {
                Some(slot) => slot,
                None => self.job.slot().await,
            };
            let pause = line
                .pause()
                .filter(|pause| *pause <= self.retry.longest_asked);
            let Some(after) = pause else { return slot };
            drop(slot);
            let attempt = attempts.current();
            self.tell(LayerStatus::Paused { after, attempt });
            time::sleep(after).await;
        }
    }

    async fn attempt(&self, line: &mut Line, appender: &mut Appender) -> Result<(), Interrupted> {
        let offset = appender.offset;
        let stream = line.blob(self.descriptor, offset).await;
        let mut stream = stream.map_err(Interrupted::Registry)?;
        // A server that ignores the range sends from the start: what is here already is skipped (DL-5).
        let mut skip = offset.saturating_sub(stream.starts_at());
        loop {
            let (batch, ended) = gather(&mut stream, &mut skip).await;
            for chunk in &batch {
                self.counters
                    .downloaded
                    .fetch_add(chunk.len() as u64, Ordering::Relaxed);
            }
            if !batch.is_empty() {
                line.delivered(offset);
                appender.append(batch).await.map_err(Interrupted::Final)?;
            }
            match ended {
                None => {}
                Some(Ok(())) => return Ok(()),
                Some(Err(error)) => return Err(Interrupted::Registry(error)),
            }
        }
    }

    fn tell(&self, milestone: LayerStatus) {
        let counters = Arc::clone(&self.counters);
        self.job.publish(|progress| {
            if progress.recent.len() == KEPT {
                progress.recent.pop_front();
            }
            progress.recent.push_back(milestone);
            progress.number += 1;
            progress.counters = counters;
        });
    }
}

/// Appends on a thread that may block, one batch at a time, while the next one is received.
pub(crate) struct Appender {
    writer: Option<IngestWriter>,
    writing: Option<JoinHandle<(IngestWriter, Result<(), AppendError>)>>,
    /// Bytes handed over so far: where the next ones belong.
    offset: u64,
}

impl Progress {
    /// Returns the milestones after the first `told`, as far as they are kept.
    pub(crate) fn since(&self, told: u64) -> impl Iterator<Item = &LayerStatus> {
        let new = usize::try_from(self.number.saturating_sub(told)).unwrap_or(usize::MAX);
        let kept = self.recent.len();
        self.recent.iter().skip(kept.saturating_sub(new))
    }
}

impl Appender {
    pub(crate) fn new(writer: IngestWriter) -> Self {
        Self {
            offset: writer.offset(),
            writer: Some(writer),
            writing: None,
        }
    }

    async fn append(&mut self, batch: Vec<Bytes>) -> Result<(), LayerError> {
        self.flush().await?;
        let mut writer = self.writer.take().expect("flush brings the writer back");
        self.offset += batch.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        self.writing = Some(task::spawn_blocking(move || {
            let slices: Vec<_> = batch.iter().map(|chunk| IoSlice::new(chunk)).collect();
            let written = writer.append(&slices);
            (writer, written)
        }));
        Ok(())
    }

    /// Waits for the batch that is being written.
    async fn flush(&mut self) -> Result<(), LayerError> {
        // Stays in its place until it is done: whoever stops waiting here can still settle.
        let Some(writing) = &mut self.writing else {
            return Ok(());
        };
        let ended = writing.await;
        self.writing = None;
        let (writer, written) = match ended {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        self.writer = Some(writer);
        Ok(written?)
    }

    /// Waits until no thread writes any more, and gives the writer up.
    pub(crate) async fn settle(mut self) {
        if let Some(writing) = self.writing.take() {
            // However it went, nobody needs to know any more.
            drop(writing.await);
        }
    }

    fn finish(&mut self) -> Result<(), LayerError> {
        let writer = self.writer.take().expect("flushed before it is finished");
        Ok(writer.finish()?)
    }
}

/// Waits for bytes, then takes what else has arrived already, up to a batch.
///
/// The second value says how the stream ended, if it did.
async fn gather(
    stream: &mut BlobStream,
    skip: &mut u64,
) -> (Vec<Bytes>, Option<Result<(), RegistryError>>) {
    let mut batch = Vec::new();
    let mut size = 0;
    let mut next = Some(stream.next_chunk().await);
    while let Some(chunk) = next {
        match chunk {
            Ok(Some(mut chunk)) => {
                leave_out(skip, &mut chunk);
                size += chunk.len();
                if !chunk.is_empty() {
                    batch.push(chunk);
                }
            }
            Ok(None) => return (batch, Some(Ok(()))),
            Err(error) => return (batch, Some(Err(error))),
        }
        next = if size < BATCH {
            stream.next_chunk().now_or_never()
        } else {
            None
        };
    }
    (batch, None)
}

/// Leaves the first bytes of a chunk out, as many of the next `skip` as it has.
fn leave_out(skip: &mut u64, chunk: &mut Bytes) {
    let skipped = usize::try_from(*skip)
        .unwrap_or(usize::MAX)
        .min(chunk.len());
    drop(chunk.split_to(skipped));
    *skip -= skipped as u64;
}

/// Decides what follows a failed attempt, and moves the line on if it is another endpoint.
///
/// A mirror that delivers nothing is left at once. One that was cut off is asked for the rest first: it has
/// what is wanted.
fn next(line: &mut Line, attempts: &mut Attempts, error: &RegistryError, progressed: bool) -> Next {
    if progressed {
        attempts.progressed();
    }
    let stays = progressed || line.current().is_final() || !line.has_next();
    let pause = if stays {
        attempts.pause_after(error)
    } else {
        None
    };
    match pause {
        Some(pause) => Next::Attempt(pause),
        None if line.goes_on(error) => {
            attempts.start_over();
            Next::Attempt(Duration::ZERO)
        }
        None => Next::GiveUp,
    }
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
                    leave_out(&mut left, &mut chunk);
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
        leave_out(&mut skip, &mut chunk);
        assert_eq!((chunk.len(), skip), (0, u64::MAX - 4));
    }

    #[test]
    fn milestones_are_kept_for_who_looks_seldom() {
        let connecting = |attempt| LayerStatus::Paused {
            after: Duration::ZERO,
            attempt,
        };
        let progress = Progress {
            recent: (3..=5).map(connecting).collect(),
            number: 5,
            counters: Arc::default(),
        };
        let since = |told| progress.since(told).cloned().collect::<Vec<_>>();
        assert_eq!(since(5), []);
        assert_eq!(since(4), [connecting(5)]);
        assert_eq!(since(2), [connecting(3), connecting(4), connecting(5)]);
        assert_eq!(since(0), [connecting(3), connecting(4), connecting(5)]);
        assert_eq!(since(9), []);
    }
}
