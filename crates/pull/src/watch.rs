//! Tells the events of one layer's transfer, and waits for its outcome.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time;
use windlass_transfer::{Abandoned, Update, Watcher};

use crate::arrived::Arrived;
use crate::error::PullError;
use crate::events::{LayerStatus, PullEvent, PullEvents};
use crate::layer::{LayerError, Outcome};
use crate::plan::Wanted;
use crate::progress::Progress;

/// How often byte counts are told (PG-2).
const TICK: Duration = Duration::from_millis(100);

/// What was told last.
#[derive(Debug, Default)]
struct Told {
    milestones: u64,
    downloaded: u64,
    unpacked: u64,
    is_downloaded: bool,
    is_verifying: bool,
}

/// Waits for the layer that is wanted, and checks that what came is what the config says.
pub(crate) async fn layer(
    mut watcher: Watcher<Progress, Outcome>,
    wanted: &Wanted,
    events: &PullEvents,
) -> Result<Arrived, PullError> {
    let digest = wanted.descriptor.digest;
    let failed = |source| PullError::Layer { digest, source };
    let tell = |status| events.send(PullEvent::Layer { digest, status });

    tell(LayerStatus::Queued);
    let outcome = follow(&mut watcher, tell).await;
    let arrived = match outcome {
        Ok(outcome) => outcome.map_err(failed)?,
        Err(Abandoned) => return Err(failed(Arc::new(LayerError::Cancelled))),
    };
    if let Some(expected) = wanted
        .diff_id
        .filter(|expected| *expected != arrived.diff_id())
    {
        let actual = arrived.diff_id();
        // Whoever is wrong, it is nothing to go on with.
        arrived.is_of_no_use();
        return Err(PullError::DiffId {
            digest,
            expected,
            actual,
        });
    }
    tell(match &arrived {
        Arrived::Fetched(layer) => LayerStatus::Unpacked {
            size: layer.size,
            skipped_devices: layer.skipped.devices,
            skipped_xattrs: layer.skipped.xattrs,
        },
        // Another pull has told what could not be taken over.
        Arrived::Held(layer) => LayerStatus::Unpacked {
            size: layer.size(),
            skipped_devices: 0,
            skipped_xattrs: 0,
        },
    });
    Ok(arrived)
}

/// Tells each milestone as it comes and byte counts at every tick, until the outcome is there.
async fn follow(
    watcher: &mut Watcher<Progress, Outcome>,
    tell: impl Fn(LayerStatus),
) -> Result<Outcome, Abandoned> {
    let mut ticks = time::interval(TICK);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Skip);
    // One who joins late is told at once where the job stands, and nothing of what was before.
    let mut told = Told {
        milestones: watcher.progress().number.saturating_sub(1),
        ..Told::default()
    };
    told.catch_up(&watcher.progress(), &tell);
    loop {
        let update = tokio::select! {
            biased;
            update = watcher.next() => Some(update?),
            _ = ticks.tick() => None,
        };
        told.catch_up(&watcher.progress(), &tell);
        if let Some(Update::Outcome(outcome)) = update {
            return Ok(outcome);
        }
    }
}

impl Told {
    /// Tells what has changed since.
    fn catch_up(&mut self, progress: &Progress, tell: impl Fn(LayerStatus)) {
        let downloaded = progress.counters.downloaded.load(Ordering::Relaxed);
        let unpacked = progress.counters.unpacked.load(Ordering::Relaxed);
        let moved = (downloaded, unpacked) != (self.downloaded, self.unpacked);
        let moving = moved.then_some(LayerStatus::Moving {
            downloaded,
            unpacked,
        });
        let is_verifying = progress.counters.is_verifying.load(Ordering::Relaxed);
        let mut news = progress.since(self.milestones);
        let is_downloaded = self.is_downloaded || news.any(|it| *it == LayerStatus::Downloaded);
        // In this order, whoever was faster.
        let is_verifying = is_downloaded && is_verifying;
        let milestones: Vec<_> = progress.since(self.milestones).cloned().collect();
        // Bytes move behind those that were here before and after a connection is asked for, and before whatever
        // else can happen.
        let is_asking = matches!(milestones.last(), Some(LayerStatus::Connecting { .. }));
        let is_resumed = |milestone: &_| matches!(milestone, LayerStatus::Resumed { .. });
        let before = match is_asking {
            true => milestones.len(),
            false => milestones
                .iter()
                .rposition(is_resumed)
                .map_or(0, |place| place + 1),
        };
        let (before, after) = milestones.split_at(before);
        let told = before.iter().cloned().chain(moving);
        told.chain(after.iter().cloned()).for_each(&tell);
        if is_verifying && !self.is_verifying {
            tell(LayerStatus::Verifying);
        }
        *self = Self {
            milestones: progress.number,
            downloaded,
            unpacked,
            is_downloaded,
            is_verifying,
        };
    }
}
