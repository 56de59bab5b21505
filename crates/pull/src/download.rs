//! Brings the bytes of one blob into its partial blob, with as many attempts as it takes.
//!
//! One connection fetches the blob from front to back. Where that is slow and the blob is large, others help
//! it: each asks for one stretch after the other. All of them write at their places; who follows reads behind
//! the first gap.
//!
//! # Invariants
//! - What has arrived is kept between attempts, endpoints and connections, and never asked for again.
//! - A helper that fails hurts nobody: its stretch is fetched by another. Only the first connection's failure
//!   is the attempt's, and decides what comes next.
//! - When [`Download::run`] has returned, no thread writes any more.

mod crew;
mod fill;

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

use crate::events::{LayerStatus, Reason};
use crate::layer::LayerError;
use crate::limits::Limits;
use crate::line::Line;
use crate::progress::{Counters, Progress, Tell as _};
use crate::retry::{Attempts, RetryPolicy};

use crew::Crew;
use fill::Fill;

pub use crew::Split;

/// Less than this is no progress, unless it is the rest: who brings a byte a connection is not making any.
const PROGRESS: u64 = 16 << 10;

/// One blob's download.
pub(crate) struct Download<'a> {
    pub(crate) job: &'a Job<Progress>,
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) writer: &'a IngestWriter,
    pub(crate) counters: Arc<Counters>,
    pub(crate) retry: RetryPolicy,
    /// How many connections there may be, and from which size on.
    pub(crate) split: Split,
    pub(crate) limits: &'a Limits,
    /// Those that write.
    pub(crate) writes: TaskTracker,
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
    /// Downloads until the blob is whole, from whoever in `line` delivers it.
    ///
    /// The slot is given back while nothing is downloaded: during pauses (DM-11), and at the end. Who drops
    /// this future before it is done has yet to wait for [`Download::writes`].
    pub(crate) async fn run(self, slot: Slot, line: &mut Line) -> Result<(), LayerError> {
        let mut slot = Some(slot);
        let mut attempts = Attempts::new(self.retry);
        while !self.writer.is_complete() {
            slot = Some(self.left_alone(slot, line, &attempts).await);
            self.job.tell(LayerStatus::Connecting {
                endpoint: line.current().origin(),
                attempt: attempts.current(),
            });
            let before = self.writer.stored_bytes();
            let (ended, brought) = self.attempt(line).await;
            // What was written is kept, however the attempt ended.
            self.settle().await;
            drop(slot.take());
            if let (true, by_several) = brought {
                line.delivered(before > 0 || by_several);
            }
            let error = match ended {
                Ok(()) => break,
                Err(Interrupted::Final(error)) => return Err(error),
                Err(Interrupted::Registry(error)) => Arc::new(error),
            };
            let rest = self.descriptor.size.saturating_sub(before);
            let progressed = self.writer.stored_bytes() - before >= PROGRESS.min(rest).max(1);
            match next(line, &mut attempts, &error, progressed) {
                Next::GiveUp => return Err(LayerError::Download(line.gave_up(error))),
                Next::Attempt(after) => {
                    let (attempt, reason) = (attempts.current(), Reason(error));
                    self.job.tell(LayerStatus::Retrying {
                        after,
                        attempt,
                        reason,
                    });
                    time::sleep(after).await;
                }
            }
        }
        self.job.tell(LayerStatus::Downloaded);
        Ok(())
    }

    /// Waits until no thread writes any more.
    async fn settle(&self) {
        self.writes.close();
        self.writes.wait().await;
        self.writes.reopen();
    }

    /// Waits for a slot, and for the time that the endpoint asked to be left alone, whichever transfer it
    /// said so to; the slot is given back meanwhile.
    async fn left_alone(&self, mut slot: Option<Slot>, line: &Line, attempts: &Attempts) -> Slot {
        loop {
            let slot = match slot.take() {
                Some(slot) => slot,
                None => self.job.acquire_slot().await,
            };
            let pause = line
                .pause()
                .filter(|pause| *pause <= self.retry.longest_asked);
            let Some(after) = pause else { return slot };
            drop(slot);
            let attempt = attempts.current();
            self.job.tell(LayerStatus::Paused { after, attempt });
            time::sleep(after).await;
        }
    }

    /// Fetches what is missing, with as many connections as help. Says, too, whether anything came, and whether
    /// by several.
    async fn attempt(&self, line: &Line) -> (Result<(), Interrupted>, (bool, bool)) {
        let fill = Fill::new(self, line);
        let ended = self.work(&fill, self.may_split(line)).await;
        (ended, fill.brought())
    }

    async fn work(&self, fill: &Fill<'_>, may_split: bool) -> Result<(), Interrupted> {
        let mut crew = Crew::new(self.split, may_split);
        let mut first = Box::pin(fill.all(false));
        let mut is_through = false;
        let mut helpers = FuturesUnordered::new();
        let look = (self.split.trial / 4).max(Duration::from_millis(1));
        let mut looks = time::interval_at(time::Instant::now() + look, look);
        looks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                ended = &mut first, if !is_through => {
                    ended?;
                    is_through = true;
                }
                Some(helped) = helpers.next() => crew.left(&helped),
                now = looks.tick(), if !is_through && crew.may_grow() => {
                    let held = self.writer.stored_bytes();
                    let missing = self.descriptor.size.saturating_sub(held);
                    if crew.grows(now, held, missing, self.job.has_slot_waiters()) {
                        fill.share();
                        helpers.push(fill.help());
                    }
                }
            }
            if is_through && (helpers.is_empty() || crew.has_lost()) {
                if self.writer.is_complete() {
                    return Ok(());
                }
                // Somebody left a stretch behind.
                first.set(fill.all(crew.is_shared()));
                is_through = false;
            }
        }
    }

    /// Tells whether parts may be asked for: of a registry, and where nobody is to be held back.
    fn may_split(&self, line: &Line) -> bool {
        line.has_parts() && !self.limits.are_set()
    }
}

/// Decides what follows a failed attempt, and moves the line on if it is another endpoint.
///
/// A mirror that delivers nothing is left at once. One that was cut off is asked for the rest first: it has
/// what is wanted.
fn next(
    line: &mut Line,
    attempts: &mut Attempts,
    error: &Arc<RegistryError>,
    progressed: bool,
) -> Next {
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
