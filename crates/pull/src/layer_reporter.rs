//! Reports the progress of one layer's transfer as events of a pull, and waits for the layer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time;
use windlass_transfer::{Abandoned, Update, Watcher};

use crate::error::{LayerError, PullError};
use crate::events::{LayerStatus, PullEvent, PullEvents};
use crate::fetched_layers::{AvailableLayer, LayerOutcome};
use crate::layer_progress::LayerProgress;
use crate::plan::MissingLayer;

/// The interval between two reports of byte counts (PG-2).
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// The last reported state.
#[derive(Debug, Default)]
struct ReportedState {
    milestones: u64,
    downloaded: u64,
    unpacked: u64,
    is_downloaded: bool,
    is_verifying: bool,
}

/// Waits for a layer, and checks that its diff ID is the one in the config.
pub(crate) async fn wait_for_layer(
    mut watcher: Watcher<LayerProgress, LayerOutcome>,
    expected: &MissingLayer,
    events: &PullEvents,
) -> Result<AvailableLayer, PullError> {
    let digest = expected.descriptor.digest;
    let failed = |source| PullError::Layer { digest, source };
    let report = |status| events.send(PullEvent::Layer { digest, status });

    report(LayerStatus::Queued);
    let outcome = report_until_outcome(&mut watcher, report).await;
    let layer = match outcome {
        Ok(outcome) => outcome.map_err(failed)?,
        Err(Abandoned) => return Err(failed(Arc::new(LayerError::Cancelled))),
    };
    let actual = layer.diff_id();
    if let Some(expected) = expected.diff_id
        && expected != actual
    {
        // Either the manifest or the config is wrong, so the blob is useless.
        layer.discard_blob();
        return Err(PullError::DiffId {
            digest,
            expected,
            actual,
        });
    }
    report(match &layer {
        AvailableLayer::Fetched(layer) => LayerStatus::Unpacked {
            size: layer.size,
            skipped_devices: layer.skipped.devices,
            skipped_xattrs: layer.skipped.xattrs,
        },
        // The pull that fetched the layer has reported its skipped items.
        AvailableLayer::Stored(layer) => LayerStatus::Unpacked {
            size: layer.size(),
            skipped_devices: 0,
            skipped_xattrs: 0,
        },
    });
    Ok(layer)
}

/// Reports each milestone at once and byte counts at every tick, until the outcome is received.
async fn report_until_outcome(
    watcher: &mut Watcher<LayerProgress, LayerOutcome>,
    report: impl Fn(LayerStatus),
) -> Result<LayerOutcome, Abandoned> {
    let mut ticks = time::interval(REPORT_INTERVAL);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Skip);
    // A late watcher reports the current state at once, without earlier milestones.
    let mut reported = ReportedState {
        milestones: watcher.progress().milestone_count.saturating_sub(1),
        ..ReportedState::default()
    };
    reported.report_changes(&watcher.progress(), &report);
    loop {
        let update = tokio::select! {
            biased;
            update = watcher.next() => Some(update?),
            _ = ticks.tick() => None,
        };
        reported.report_changes(&watcher.progress(), &report);
        if let Some(Update::Outcome(outcome)) = update {
            return Ok(outcome);
        }
    }
}

impl ReportedState {
    /// Reports the changes since the last report.
    fn report_changes(&mut self, progress: &LayerProgress, report: impl Fn(LayerStatus)) {
        let downloaded = progress.counters.downloaded.load(Ordering::Relaxed);
        let unpacked = progress.counters.unpacked.load(Ordering::Relaxed);
        let has_moved = (downloaded, unpacked) != (self.downloaded, self.unpacked);
        let moving = has_moved.then_some(LayerStatus::Moving {
            downloaded,
            unpacked,
        });
        let is_verifying = progress.counters.is_verifying.load(Ordering::Relaxed);
        let mut new = progress.since(self.milestones);
        let is_downloaded = self.is_downloaded || new.any(|it| *it == LayerStatus::Downloaded);
        // Verification is reported after the download, even if it was recorded before.
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
                .map_or(0, |index| index + 1),
        };
        let (before, after) = milestones.split_at(before);
        let reported = before.iter().cloned().chain(moving);
        reported.chain(after.iter().cloned()).for_each(&report);
        if is_verifying && !self.is_verifying {
            report(LayerStatus::Verifying);
        }
        *self = Self {
            milestones: progress.milestone_count,
            downloaded,
            unpacked,
            is_downloaded,
            is_verifying,
        };
    }
}
