//! State of a layer's transfer, for its watchers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use windlass_transfer::Job;

use crate::events::LayerStatus;
use crate::sources::Sources;

/// How many milestones are kept for slow watchers.
const KEPT: usize = 16;

/// State of a layer's transfer, for its watchers.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerProgress {
    /// The last milestones, the latest at the end.
    recent: VecDeque<LayerStatus>,
    /// How many milestones there were; two equal ones are still two.
    pub(crate) number: u64,
    /// Byte counts, which move between milestones.
    pub(crate) counters: Arc<ByteCounters>,
    /// The endpoints and credentials that the transfer runs with, once it has started.
    pub(crate) sources: Option<Sources>,
}

/// Compressed bytes, out of the layer's size.
#[derive(Debug, Default)]
pub(crate) struct ByteCounters {
    /// Bytes that have arrived, by this transfer or an earlier one.
    pub(crate) downloaded: AtomicU64,
    /// Bytes that were decompressed and written out.
    pub(crate) unpacked: AtomicU64,
    /// All of it is unpacked; what is left is to look whether it is the right one.
    pub(crate) is_verifying: AtomicBool,
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
    /// Returns the milestones after the first `reported`, as far as they are kept.
    pub(crate) fn since(&self, reported: u64) -> impl Iterator<Item = &LayerStatus> {
        let new = usize::try_from(self.number.saturating_sub(reported)).unwrap_or(usize::MAX);
        let kept = self.recent.len();
        self.recent.iter().skip(kept.saturating_sub(new))
    }

    fn add(&mut self, milestone: LayerStatus) {
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(milestone);
        self.number += 1;
    }
}

impl ByteCounters {
    /// Returns how many of `size` compressed bytes have yet to be written, and how many to be unpacked.
    pub(crate) fn outstanding(&self, size: u64) -> (u64, u64) {
        let left = |done: &AtomicU64| size.saturating_sub(done.load(Ordering::Relaxed));
        (left(&self.downloaded), left(&self.unpacked))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn milestones_are_kept_for_a_slow_reader() {
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
