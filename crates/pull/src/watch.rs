//! Tells the events of one layer's transfer, and waits for its outcome.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time;
use windlass_transfer::{Abandoned, Update, Watcher};

use crate::download::Progress;
use crate::error::PullError;
use crate::events::{Events, LayerStatus, PullEvent};
use crate::layer::{FetchedLayer, LayerError, Outcome};
use crate::plan::Wanted;

/// How often byte counts are told (PG-2).
const TICK: Duration = Duration::from_millis(100);

/// What was told last.
#[derive(Debug, Default)]
struct Told {
    milestones: u64,
    downloaded: u64,
    unpacked: u64,
}

/// Waits for the layer that is wanted, and checks that what came is what the config says.
pub(crate) async fn layer(
    mut watcher: Watcher<Progress, Outcome>,
    wanted: &Wanted,
    events: &Events,
) -> Result<Arc<FetchedLayer>, PullError> {
    let digest = wanted.descriptor.digest;
    let failed = |source| PullError::Layer { digest, source };
    let tell = |status| events.send(PullEvent::Layer { digest, status });

    tell(LayerStatus::Waiting);
    let outcome = follow(&mut watcher, tell).await;
    let fetched = match outcome {
        Ok(outcome) => outcome.map_err(failed)?,
        Err(Abandoned) => return Err(failed(Arc::new(LayerError::Cancelled))),
    };
    if let Some(expected) = wanted
        .diff_id
        .filter(|expected| *expected != fetched.diff_id)
    {
        let actual = fetched.diff_id;
        return Err(PullError::DiffId {
            digest,
            expected,
            actual,
        });
    }
    tell(LayerStatus::Unpacked {
        size: fetched.size,
        skipped_devices: fetched.skipped.devices,
        skipped_xattrs: fetched.skipped.xattrs,
    });
    Ok(fetched)
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
        let milestones = progress.since(self.milestones).cloned();
        // Bytes move after a connection is asked for, and before whatever else can happen.
        if let Some(LayerStatus::Connecting { .. }) = progress.since(self.milestones).last() {
            milestones.chain(moving).for_each(tell);
        } else {
            moving.into_iter().chain(milestones).for_each(tell);
        }
        *self = Self {
            milestones: progress.number,
            downloaded,
            unpacked,
        };
    }
}
