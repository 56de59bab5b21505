//! Downloads one blob into its partial blob, with retries.
//!
//! One connection fetches the blob from front to back. If that is slow and the blob is large, further connections fetch
//! ranges of it. Each writes at its own offset; the reader stays behind the first gap.
//!
//! # Invariants
//! - Received bytes are kept between attempts, endpoints and connections, and never requested again.
//! - The failure of an extra connection is harmless: another one fetches its range. Only a failure of the first
//!   connection ends the attempt.
//! - When [`Download::run`] has returned, no thread writes any more.

mod connection_scaler;
mod range_connections;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time;
use tokio_util::task::TaskTracker;
use windlass_oci::Descriptor;
use windlass_registry::RegistryError;
use windlass_store::IngestWriter;
use windlass_transfer::{Job, Slot};

use crate::endpoint_queue::EndpointQueue;
use crate::events::{LayerStatus, Reason};
use crate::layer::LayerError;
use crate::limits::TransferLimits;
use crate::progress::{ByteCounters, LayerProgress, ReportMilestone as _};
use crate::retry::{Attempts, RetryPolicy};

use connection_scaler::ConnectionScaler;
use range_connections::RangeConnections;

pub use connection_scaler::SplitPolicy;

/// Fewer bytes than this are no progress, unless they are the rest of the blob.
const PROGRESS: u64 = 16 << 10;

/// One blob's download.
pub(crate) struct Download<'a> {
    pub(crate) job: &'a Job<LayerProgress>,
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) writer: &'a IngestWriter,
    pub(crate) counters: Arc<ByteCounters>,
    pub(crate) retry: RetryPolicy,
    /// How many connections there may be, and from which size on.
    pub(crate) split: SplitPolicy,
    pub(crate) limits: &'a TransferLimits,
    /// Those that write.
    pub(crate) writes: TaskTracker,
}

/// Why one attempt ended early.
enum Interruption {
    /// The network's fault, and perhaps gone by the next attempt.
    Registry(RegistryError),
    /// Not the network's fault.
    Final(LayerError),
}

/// What to do after a failed attempt.
enum NextAttempt {
    /// The same once more, or another one, after this pause.
    After(Duration),
    GiveUp,
}

impl Download<'_> {
    /// Downloads until the blob is complete, from the endpoints of `queue`.
    ///
    /// The slot is released while nothing is downloaded: during pauses (DM-11), and at the end. A caller that drops this
    /// future early has to wait for [`Download::writes`].
    pub(crate) async fn run(self, slot: Slot, queue: &mut EndpointQueue) -> Result<(), LayerError> {
        let mut slot = Some(slot);
        let mut attempts = Attempts::new(self.retry);
        while !self.writer.is_complete() {
            slot = Some(self.acquire_slot_after_pause(slot, queue, &attempts).await);
            self.job.report(LayerStatus::Connecting {
                endpoint: queue.current().origin(),
                attempt: attempts.current(),
            });
            let before = self.writer.stored_bytes();
            let (ended, received) = self.attempt(queue).await;
            // What was written is kept, however the attempt ended.
            self.wait_for_writes().await;
            drop(slot.take());
            if let (true, by_several) = received {
                queue.record_delivery(before > 0 || by_several);
            }
            let error = match ended {
                Ok(()) => break,
                Err(Interruption::Final(error)) => return Err(error),
                Err(Interruption::Registry(error)) => Arc::new(error),
            };
            let rest = self.descriptor.size.saturating_sub(before);
            let progressed = self.writer.stored_bytes() - before >= PROGRESS.min(rest).max(1);
            match next(queue, &mut attempts, &error, progressed) {
                NextAttempt::GiveUp => return Err(LayerError::Download(queue.take_error(error))),
                NextAttempt::After(after) => {
                    let (attempt, reason) = (attempts.current(), Reason(error));
                    self.job.report(LayerStatus::Retrying {
                        after,
                        attempt,
                        reason,
                    });
                    time::sleep(after).await;
                }
            }
        }
        self.job.report(LayerStatus::Downloaded);
        Ok(())
    }

    /// Waits until no thread writes any more.
    async fn wait_for_writes(&self) {
        self.writes.close();
        self.writes.wait().await;
        self.writes.reopen();
    }

    /// Waits for a slot, and for the pause that the endpoint requested in any transfer; the slot is released meanwhile.
    async fn acquire_slot_after_pause(
        &self,
        mut slot: Option<Slot>,
        queue: &EndpointQueue,
        attempts: &Attempts,
    ) -> Slot {
        loop {
            let slot = match slot.take() {
                Some(slot) => slot,
                None => self.job.acquire_slot().await,
            };
            let pause = queue
                .remaining_pause()
                .filter(|pause| *pause <= self.retry.longest_requested_pause);
            let Some(after) = pause else { return slot };
            drop(slot);
            let attempt = attempts.current();
            self.job.report(LayerStatus::Paused { after, attempt });
            time::sleep(after).await;
        }
    }

    /// Fetches what is missing. Also returns whether anything was received, and whether over several connections.
    async fn attempt(&self, queue: &EndpointQueue) -> (Result<(), Interruption>, (bool, bool)) {
        let connections = RangeConnections::new(self, queue);
        let ended = self
            .run_connections(&connections, self.can_split(queue))
            .await;
        (ended, connections.received())
    }

    async fn run_connections(
        &self,
        connections: &RangeConnections<'_>,
        can_split: bool,
    ) -> Result<(), Interruption> {
        let mut scaler = ConnectionScaler::new(self.split, can_split);
        let mut first = Box::pin(connections.run_first(false));
        let mut is_first_done = false;
        let mut extra = FuturesUnordered::new();
        let interval = (self.split.trial / 4).max(Duration::from_millis(1));
        let mut ticks = time::interval_at(time::Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                ended = &mut first, if !is_first_done => {
                    ended?;
                    is_first_done = true;
                }
                Some(end) = extra.next() => scaler.record_end(&end),
                now = ticks.tick(), if !is_first_done && scaler.can_add() => {
                    let held = self.writer.stored_bytes();
                    let missing = self.descriptor.size.saturating_sub(held);
                    if scaler.try_add(now, held, missing, self.job.has_slot_waiters()) {
                        connections.share_rest();
                        extra.push(connections.run_extra());
                    }
                }
            }
            if is_first_done && (extra.is_empty() || scaler.take_lost_range()) {
                if self.writer.is_complete() {
                    return Ok(());
                }
                // An extra connection left a gap.
                first.set(connections.run_first(scaler.is_shared()));
                is_first_done = false;
            }
        }
    }

    /// Returns whether ranges may be requested: only from a registry, and without a rate limit.
    fn can_split(&self, queue: &EndpointQueue) -> bool {
        queue.supports_ranges() && !self.limits.are_set()
    }
}

/// Decides what follows a failed attempt, and advances the queue if it is another endpoint.
///
/// A mirror that sent nothing is abandoned at once. One whose response was cut off gets a request for the rest first.
fn next(
    queue: &mut EndpointQueue,
    attempts: &mut Attempts,
    error: &Arc<RegistryError>,
    progressed: bool,
) -> NextAttempt {
    if progressed {
        attempts.progressed();
    }
    let stays = progressed || queue.current().is_registry() || !queue.has_next();
    let pause = if stays {
        attempts.pause_after(error)
    } else {
        None
    };
    match pause {
        Some(pause) => NextAttempt::After(pause),
        None if queue.advance(error) => {
            attempts.start_over();
            NextAttempt::After(Duration::ZERO)
        }
        None => NextAttempt::GiveUp,
    }
}
