//! The progress of a layer's transfer, for its watchers.

use std::collections::VecDeque;
use std::sync::Arc;

use windlass_transfer::Job;

use crate::byte_counters::ByteCounters;
use crate::events::LayerStatus;
use crate::sources::Sources;

/// The number of milestones that are buffered for slow watchers.
const BUFFERED_MILESTONES: usize = 16;

/// The progress of a layer's transfer.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerProgress {
    /// The last milestones, oldest first.
    recent: VecDeque<LayerStatus>,
    /// The number of milestones so far. Two equal milestones count as two.
    pub(crate) milestone_count: u64,
    /// Byte counts, which change between milestones.
    pub(crate) counters: Arc<ByteCounters>,
    /// The endpoints and credentials of the transfer, once it has started.
    pub(crate) sources: Option<Sources>,
}

/// Reports milestones to the watchers of a job.
pub(crate) trait ReportMilestone {
    /// Reports a milestone.
    fn report(&self, milestone: LayerStatus);
}

impl ReportMilestone for Job<LayerProgress> {
    fn report(&self, milestone: LayerStatus) {
        self.publish(|progress| progress.add(milestone));
    }
}

impl LayerProgress {
    /// Returns the milestones after the first `reported` ones, as far as they are buffered.
    pub(crate) fn since(&self, reported: u64) -> impl Iterator<Item = &LayerStatus> {
        let new = self.milestone_count.saturating_sub(reported);
        let new = usize::try_from(new).unwrap_or(usize::MAX);
        self.recent
            .iter()
            .skip(self.recent.len().saturating_sub(new))
    }

    fn add(&mut self, milestone: LayerStatus) {
        if self.recent.len() == BUFFERED_MILESTONES {
            self.recent.pop_front();
        }
        self.recent.push_back(milestone);
        self.milestone_count += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn milestones_are_buffered_for_a_slow_watcher() {
        let paused = |attempt| LayerStatus::Paused {
            after: Duration::ZERO,
            attempt,
        };
        let mut progress = LayerProgress::default();
        (1..=40).for_each(|attempt| progress.add(paused(attempt)));
        let since = |reported| progress.since(reported).cloned().collect::<Vec<_>>();
        assert_eq!(since(40), []);
        assert_eq!(since(39), [paused(40)]);
        assert_eq!(since(0), (25..=40).map(paused).collect::<Vec<_>>());
        assert_eq!(since(99), []);
    }
}
