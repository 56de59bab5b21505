//! The progress of a partial blob: the bytes present, claimed, durable and hashed.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::ranges::ByteRanges;
use super::record::{Checkpoint, PartialRecord};
use super::stopped::IngestStopped;

/// The maximum of bytes that the record may miss if the process is killed. Less than a megabyte has to be
/// downloaded again.
const RECORD_EVERY: u64 = 256 << 10;

/// The maximum of hash checkpoints that wait until their bytes are durable; beyond it, every other one is
/// dropped.
const MOST_CHECKPOINTS: usize = 256;

/// The progress that writers and readers of one blob share.
#[derive(Debug)]
pub(crate) struct IngestProgress {
    state: Mutex<ProgressState>,
    changed: Condvar,
}

#[derive(Debug)]
struct ProgressState {
    size: u64,
    /// Bytes in the file.
    stored: ByteRanges,
    /// Bytes in the file, or claimed by a writer.
    claimed: ByteRanges,
    /// Bytes that are durable.
    durable: ByteRanges,
    /// Ordered by position; of those within durable bytes only the last.
    checkpoints: VecDeque<Checkpoint>,
    /// Bytes received since the record was last written.
    unrecorded: u64,
    /// The lowest watermark that a sleeping reader waits for; it is not woken before.
    awaited: Option<u64>,
    stopped: Option<IngestStopped>,
}

impl IngestProgress {
    pub(crate) fn new(size: u64, record: PartialRecord) -> Self {
        Self {
            state: Mutex::new(ProgressState {
                size,
                claimed: record.stored.clone(),
                stored: record.stored,
                durable: record.durable,
                checkpoints: record.hash.into_iter().collect(),
                unrecorded: 0,
                awaited: None,
                stopped: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Returns the watermark: all bytes before it are in the file.
    pub(crate) fn contiguous(&self) -> u64 {
        self.state().stored.contiguous()
    }

    /// Returns how many bytes are in the file.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.state().stored.total()
    }

    pub(crate) fn stored_ranges(&self) -> ByteRanges {
        self.state().stored.clone()
    }

    pub(crate) fn is_complete(&self) -> bool {
        let state = self.state();
        state.stored.contiguous() == state.size
    }

    /// Claims the first range that is neither present nor claimed, up to `most` bytes of it.
    pub(crate) fn claim(&self, most: u64) -> Option<Range<u64>> {
        let mut state = self.state();
        let gap = state.claimed.gaps(state.size).next()?;
        let claim = gap.start..gap.end.min(gap.start.saturating_add(most));
        state.claimed.insert(claim.clone());
        Some(claim)
    }

    /// Releases a claimed range.
    pub(crate) fn unclaim(&self, range: Range<u64>) {
        self.state().claimed.remove(range);
    }

    /// Records that `range` is in the file. Returns a record when one is due.
    pub(crate) fn mark_filled(
        &self,
        range: Range<u64>,
    ) -> Result<Option<RecordDraft>, IngestStopped> {
        let mut state = self.state();
        if let Some(stopped) = state.stopped {
            return Err(stopped);
        }
        state.unrecorded += range.end - range.start;
        state.stored.insert(range);
        let watermark = state.stored.contiguous();
        if state.awaited.is_some_and(|awaited| watermark >= awaited) {
            state.awaited = None;
            self.changed.notify_all();
        }
        let is_due = state.unrecorded >= RECORD_EVERY;
        Ok(is_due.then(|| state.record()))
    }

    /// Returns a record of the current progress.
    pub(crate) fn record(&self) -> RecordDraft {
        self.state().record()
    }

    /// Records that `stored` is durable.
    pub(crate) fn mark_durable(&self, stored: &ByteRanges) {
        let mut state = self.state();
        for range in stored.iter() {
            state.durable.insert(range.clone());
        }
        let durable = state.durable.contiguous();
        while state
            .checkpoints
            .get(1)
            .is_some_and(|next| next.position <= durable)
        {
            state.checkpoints.pop_front();
        }
    }

    /// Adds a checkpoint of the hash.
    pub(crate) fn add_checkpoint(&self, checkpoint: Checkpoint) {
        let mut state = self.state();
        let last = state.checkpoints.back().map_or(0, |last| last.position);
        if checkpoint.position <= last {
            return;
        }
        if state.checkpoints.len() == MOST_CHECKPOINTS {
            let mut index = 0;
            state.checkpoints.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
        state.checkpoints.push_back(checkpoint);
    }

    /// Waits until all bytes before `enough` are in the file; returns the watermark.
    pub(crate) fn wait_for(&self, enough: u64) -> io::Result<u64> {
        let mut state = self.state();
        loop {
            if let Some(reason) = state.stopped {
                return Err(io::Error::other(reason));
            }
            let watermark = state.stored.contiguous();
            if watermark >= enough {
                return Ok(watermark);
            }
            state.awaited = Some(state.awaited.map_or(enough, |other| other.min(enough)));
            let changed = self.changed.wait(state);
            state = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Stops writers and readers; the first reason is kept.
    pub(crate) fn stop(&self, reason: IngestStopped) {
        self.state().stopped.get_or_insert(reason);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, ProgressState> {
        // Nothing that runs under this lock can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record without the boot ID.
#[derive(Debug)]
pub(crate) struct RecordDraft {
    stored: ByteRanges,
    durable: ByteRanges,
    hash: Option<Checkpoint>,
}

impl RecordDraft {
    pub(crate) fn in_boot(self, boot: &str) -> PartialRecord {
        PartialRecord {
            boot: boot.to_owned(),
            stored: self.stored,
            durable: self.durable,
            hash: self.hash,
        }
    }
}

impl ProgressState {
    fn record(&mut self) -> RecordDraft {
        self.unrecorded = 0;
        let durable = self.durable.contiguous();
        let hash = self.checkpoints.iter().rev();
        let hash = { hash }.find(|checkpoint| checkpoint.position <= durable);
        RecordDraft {
            stored: self.stored.clone(),
            durable: self.durable.clone(),
            hash: hash.cloned(),
        }
    }
}
