//! A range of a blob that one writer fills from front to back. If it is dropped before its end, the rest can be
//! claimed again.

use std::io::IoSlice;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::AppendError;
use super::shared::IngestShared;

/// A range of a blob that one writer fills from front to back. If it is dropped before its end, the rest can be
/// claimed again.
#[derive(Debug)]
pub struct RangeWriter {
    extent: RangeHandle,
    position: u64,
}

/// Reads and shortens the range of a [`RangeWriter`] from elsewhere. Clones share one range.
#[derive(Clone, Debug)]
pub struct RangeHandle(Arc<RangeBounds>);

#[derive(Debug)]
struct RangeBounds {
    shared: Arc<IngestShared>,
    positions: Mutex<RangePositions>,
}

#[derive(Debug)]
struct RangePositions {
    /// Bytes before this position are about to be written: the range cannot be cut before it.
    reserved: u64,
    end: u64,
}

impl RangeWriter {
    pub(super) fn new(shared: Arc<IngestShared>, range: Range<u64>) -> Self {
        let positions = Mutex::new(RangePositions {
            reserved: range.start,
            end: range.end,
        });
        Self {
            extent: RangeHandle(Arc::new(RangeBounds { shared, positions })),
            position: range.start,
        }
    }

    /// Returns the position of the next byte, where a request has to start.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the end of the range.
    pub fn end(&self) -> u64 {
        self.extent.end()
    }

    /// Returns a handle that reads and shortens the range.
    pub fn handle(&self) -> RangeHandle {
        self.extent.clone()
    }

    /// Appends `chunks` in order.
    ///
    /// After an error some of the bytes may be in the file, but [`RangeWriter::position`] has not moved, so the
    /// same bytes can be appended again.
    pub fn append(&mut self, chunks: &[IoSlice<'_>]) -> Result<(), AppendError> {
        let shared = &self.extent.0.shared;
        let added: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let end = self.position.saturating_add(added);
        if !self.extent.reserve_to(end) {
            return Err(AppendError::TooLong {
                digest: shared.digest,
                size: shared.size,
            });
        }
        shared.file.write_at(chunks, self.position)?;
        let filled = shared.progress.mark_filled(self.position..end);
        let due = filled.map_err(|_| AppendError::Cancelled)?;
        self.position = end;
        if let Some(record) = due {
            shared.save_record(record);
        }
        shared.record_io(added);
        Ok(())
    }
}

impl RangeHandle {
    /// Returns the end of the range.
    pub fn end(&self) -> u64 {
        self.positions().end
    }

    /// Reserves the next `bytes` bytes after those reserved before; they are about to be appended. Returns how
    /// many of them are within the range.
    pub fn reserve(&self, bytes: u64) -> u64 {
        let mut positions = self.positions();
        let reserved = bytes.min(positions.end - positions.reserved);
        positions.reserved += reserved;
        reserved
    }

    /// Releases the bytes after `end` for other writers; reserved bytes stay.
    pub fn truncate(&self, end: u64) {
        let mut positions = self.positions();
        let end = end.max(positions.reserved);
        if end < positions.end {
            self.0.shared.progress.unclaim(end..positions.end);
            positions.end = end;
        }
    }

    /// Reserves everything before `end`, if that is within the range. Returns whether it is.
    fn reserve_to(&self, end: u64) -> bool {
        let mut positions = self.positions();
        let is_within = end <= positions.end;
        if is_within {
            positions.reserved = positions.reserved.max(end);
        }
        is_within
    }

    fn positions(&self) -> MutexGuard<'_, RangePositions> {
        let positions = self.0.positions.lock();
        positions.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RangeWriter {
    fn drop(&mut self) {
        let mut positions = self.extent.positions();
        let left = self.position..positions.end;
        // The handle may outlive this and must not release the same bytes again.
        (positions.reserved, positions.end) = (left.start, left.start);
        self.extent.0.shared.progress.unclaim(left);
    }
}
