//! Reports the events of one layer's transfer, and waits for its outcome.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time;
use windlass_transfer::{Abandoned, Update, Watcher};

use crate::error::PullError;
use crate::events::{LayerStatus, PullEvent, PullEvents};
use crate::fetched_layers::AvailableLayer;
use crate::layer::{LayerError, LayerOutcome};
use crate::plan::MissingLayer;
use crate::progress::LayerProgress;

/// Interval of byte counts (PG-2).
const TICK: Duration = Duration::from_millis(100);

/// The state that was reported last.
#[derive(Debug, Default)]
struct ReportedState {
    milestones: u64,
    downloaded: u64,
    unpacked: u64,
    is_downloaded: bool,
    is_verifying: bool,
}

/// Waits for the expected layer, and checks that the arrived layer matches the config.
pub(crate) async fn layer(
    mut watcher: Watcher<LayerProgress, LayerOutcome>,
    wanted: &MissingLayer,
    events: &PullEvents,
) -> Result<AvailableLayer, PullError> {
    let digest = wanted.descriptor.digest;
    let failed = |source| PullError::Layer { digest, source };
    let report = |status| events.send(PullEvent::Layer { digest, status });

    report(LayerStatus::Queued);
    let outcome = follow(&mut watcher, report).await;
    let arrived = match outcome {
        Ok(outcome) => outcome.map_err(failed)?,
        Err(Abandoned) => return Err(failed(Arc::new(LayerError::Cancelled))),
    };
    if let Some(expected) = wanted
        .diff_id
        .filter(|expected| *expected != arrived.diff_id())
    {
        let actual = arrived.diff_id();
        // Either the manifest or the config is wrong: the bytes cannot be used.
        arrived.discard_blob();
        return Err(PullError::DiffId {
            digest,
            expected,
            actual,
        });
    }
    report(match &arrived {
        AvailableLayer::Fetched(layer) => LayerStatus::Unpacked {
            size: layer.size,
            skipped_devices: layer.skipped.devices,
            skipped_xattrs: layer.skipped.xattrs,
        },
        // The pull that fetched the layer has reported skipped items.
        AvailableLayer::Stored(layer) => LayerStatus::Unpacked {
            size: layer.size(),
            skipped_devices: 0,
            skipped_xattrs: 0,
        },
    });
    Ok(arrived)
}

/// Reports each milestone at once and byte counts at every tick, until the outcome arrives.
async fn follow(
    watcher: &mut Watcher<LayerProgress, LayerOutcome>,
    report: impl Fn(LayerStatus),
) -> Result<LayerOutcome, Abandoned> {
    let mut ticks = time::interval(TICK);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Skip);
    // A late watcher gets the current state at once, without earlier milestones.
    let mut reported = ReportedState {
        milestones: watcher.progress().number.saturating_sub(1),
        ..ReportedState::default()
    };
    reported.catch_up(&watcher.progress(), &report);
    loop {
        let update = tokio::select! {
            biased;
            update = watcher.next() => Some(update?),
            _ = ticks.tick() => None,
        };
        reported.catch_up(&watcher.progress(), &report);
        if let Some(Update::Outcome(outcome)) = update {
            return Ok(outcome);
        }
    }
}

impl ReportedState {
    /// Reports what has changed since.
    fn catch_up(&mut self, progress: &LayerProgress, report: impl Fn(LayerStatus)) {
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
        // Verification is reported after the download, whichever was recorded first.
        let is_verifying = is_downloaded && is_verifying;
        let milestones: Vec<_> = progress.since(self.milestones).cloned().collect();
        // Byte counts are reported after `Resumed` and `Connecting`, and before all other milestones.
        let is_connecting = matches!(milestones.last(), Some(LayerStatus::Connecting { .. }));
        let is_resumed = |milestone: &_| matches!(milestone, LayerStatus::Resumed { .. });
        let before = match is_connecting {
            true => milestones.len(),
            false => milestones
                .iter()
                .rposition(is_resumed)
                .map_or(0, |place| place + 1),
        };
        let (before, after) = milestones.split_at(before);
        let reported = before.iter().cloned().chain(moving);
        reported.chain(after.iter().cloned()).for_each(&report);
        if is_verifying && !self.is_verifying {
            report(LayerStatus::Verifying);
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
