//! Downloads one blob into its partial blob, with retries.
//!
//! One connection fetches the blob from front to back. If that is slow and the blob is large, further connections fetch
//! ranges of it. Each writes at its own offset; the reader stays behind the first gap.
//!
//! # Invariants
//! - Received bytes are kept between attempts, endpoints and connections, and never requested again.
//! - The failure of an extra connection is harmless: another one fetches its range. Only a failure of the first
//!   connection ends the attempt.
//! - When [`Download::run`] has returned, no thread writes to the partial blob.

mod batch;
mod connection_scaler;
mod range_appender;
mod range_connections;
mod split_policy;
mod target;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time;
use windlass_registry::RegistryError;
use windlass_transfer::{Job, Slot};

use crate::endpoint_queue::EndpointQueue;
use crate::error::LayerError;
use crate::events::{LayerStatus, Reason};
use crate::layer_progress::{LayerProgress, ReportMilestone as _};
use crate::retry::{Attempts, RetryPolicy};

use connection_scaler::ConnectionScaler;
use range_connections::{Interruption, RangeConnections, ReceivedBytes};

pub use split_policy::SplitPolicy;
pub(crate) use target::DownloadTarget;

/// An attempt that received fewer bytes made no progress, unless the blob is complete.
const MIN_PROGRESS: u64 = 16 << 10;

/// The download of one blob.
pub(crate) struct Download<'a> {
    pub(crate) job: &'a Job<LayerProgress>,
    pub(crate) target: DownloadTarget<'a>,
    pub(crate) retry: RetryPolicy,
    pub(crate) split: SplitPolicy,
}

/// What follows a failed attempt.
enum NextAttempt {
    /// Another attempt after this pause, at the current endpoint of the queue.
    After(Duration),
    GiveUp,
}

impl Download<'_> {
    /// Downloads until the blob is complete, from the endpoints of `queue`.
    ///
    /// The slot is released during pauses (DM-11) and at the end. A caller that drops this future early has to wait for
    /// [`DownloadTarget::writes`].
    pub(crate) async fn run(self, slot: Slot, queue: &mut EndpointQueue) -> Result<(), LayerError> {
        let writer = self.target.writer;
        let mut slot = Some(slot);
        let mut attempts = Attempts::new(self.retry);
        while !writer.is_complete() {
            slot = Some(self.acquire_slot_after_pause(slot, queue, &attempts).await);
            self.job.report(LayerStatus::Connecting {
                endpoint: queue.current().origin(),
                attempt: attempts.current(),
            });
            let before = writer.stored_bytes();
            let (result, received) = self.attempt(queue).await;
            // Written bytes are kept, however the attempt ended.
            self.target.wait_for_writes().await;
            drop(slot.take());
            match received {
                ReceivedBytes::Nothing => {}
                ReceivedBytes::FromOneConnection => queue.record_delivery(before > 0),
                ReceivedBytes::FromSeveralConnections => queue.record_delivery(true),
            }
            let error = match result {
                Ok(()) => break,
                Err(Interruption::Final(error)) => return Err(error),
                Err(Interruption::Registry(error)) => Arc::new(error),
            };
            let missing = self.target.descriptor.size.saturating_sub(before);
            let made_progress = writer.stored_bytes() - before >= MIN_PROGRESS.min(missing).max(1);
            match next_attempt(queue, &mut attempts, &error, made_progress) {
                NextAttempt::GiveUp => return Err(LayerError::Download(queue.take_error(error))),
                NextAttempt::After(after) => self.pause(after, attempts.current(), error).await,
            }
        }
        self.job.report(LayerStatus::Downloaded);
        Ok(())
    }

    /// Reports the pause before the next attempt, and waits for its end.
    async fn pause(&self, after: Duration, attempt: u32, error: Arc<RegistryError>) {
        self.job.report(LayerStatus::Retrying {
            after,
            attempt,
            reason: Reason(error),
        });
        time::sleep(after).await;
    }

    /// Waits for a slot, and for the pause that the endpoint requested in any transfer. The slot is released during the
    /// pause.
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

    /// Fetches the missing bytes. Also returns which connections received bytes.
    async fn attempt(&self, queue: &EndpointQueue) -> (Result<(), Interruption>, ReceivedBytes) {
        let connections = RangeConnections::new(&self.target, queue, self.split.chunk);
        let result = self
            .run_connections(&connections, self.can_split(queue))
            .await;
        (result, connections.received())
    }

    async fn run_connections(
        &self,
        connections: &RangeConnections<'_>,
        can_split: bool,
    ) -> Result<(), Interruption> {
        let target = &self.target;
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
                result = &mut first, if !is_first_done => {
                    result?;
                    is_first_done = true;
                }
                Some(end) = extra.next() => scaler.record_end(&end),
                now = ticks.tick(), if !is_first_done && scaler.can_add() => {
                    let stored = target.writer.stored_bytes();
                    let missing = target.descriptor.size.saturating_sub(stored);
                    if scaler.try_add(now, stored, missing, self.job.has_slot_waiters()) {
                        connections.share_rest();
                        extra.push(connections.run_extra());
                    }
                }
            }
            if is_first_done && (extra.is_empty() || scaler.take_lost_range()) {
                if target.writer.is_complete() {
                    return Ok(());
                }
                // An extra connection left a gap.
                first.set(connections.run_first(scaler.is_shared()));
                is_first_done = false;
            }
        }
    }

    /// Returns whether ranges may be requested: only from an endpoint of the registry, and without a rate limit.
    fn can_split(&self, queue: &EndpointQueue) -> bool {
        queue.supports_ranges() && !self.target.limits.are_set()
    }
}

/// Decides what follows a failed attempt, and advances the queue if it is another endpoint.
///
/// A mirror that sent nothing is abandoned at once. A mirror whose response was interrupted gets a request for the rest
/// first.
fn next_attempt(
    queue: &mut EndpointQueue,
    attempts: &mut Attempts,
    error: &Arc<RegistryError>,
    made_progress: bool,
) -> NextAttempt {
    if made_progress {
        attempts.reset();
    }
    let stays = made_progress || queue.current().is_registry() || !queue.has_next();
    let pause = if stays {
        attempts.pause_after(error)
    } else {
        None
    };
    match pause {
        Some(pause) => NextAttempt::After(pause),
        None if queue.advance(error) => {
            attempts.reset();
            NextAttempt::After(Duration::ZERO)
        }
        None => NextAttempt::GiveUp,
    }
}
