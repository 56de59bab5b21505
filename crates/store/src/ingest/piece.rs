//! A stretch of a blob that one writer fills from front to back.

use std::io::IoSlice;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{AppendError, IngestShared};

/// A stretch of a blob that one writer fills from front to back. What is left of it when it is dropped can be
/// claimed again.
#[derive(Debug)]
pub struct RangeWriter {
    extent: RangeHandle,
    position: u64,
}

/// How far a [`RangeWriter`] goes, for those who do not write it. Clones are the same one.
#[derive(Clone, Debug)]
pub struct RangeHandle(Arc<RangeBounds>);

#[derive(Debug)]
struct RangeBounds {
    shared: Arc<IngestShared>,
    places: Mutex<RangePositions>,
}

#[derive(Debug)]
struct RangePositions {
    /// Up to here bytes are about to be written: it cannot be cut before.
    reserved: u64,
    end: u64,
}

impl RangeWriter {
    pub(super) fn new(shared: Arc<IngestShared>, range: Range<u64>) -> Self {
        let places = Mutex::new(RangePositions {
            reserved: range.start,
            end: range.end,
        });
        Self {
            extent: RangeHandle(Arc::new(RangeBounds { shared, places })),
            position: range.start,
        }
    }

    /// Returns the place of the next byte: where a request has to begin.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns where the piece ends.
    pub fn end(&self) -> u64 {
        self.extent.end()
    }

    /// Returns what tells how far it goes, and can make it shorter.
    pub fn handle(&self) -> RangeHandle {
        self.extent.clone()
    }

    /// Appends `chunks`, one after the other.
    ///
    /// On an error some of the bytes may be in the file, but [`RangeWriter::position`] has not moved, so the same
    /// bytes can be appended again.
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
    /// Returns where the piece ends.
    pub fn end(&self) -> u64 {
        self.places().end
    }

    /// Says that `wanted` more bytes are about to be appended, behind those that were reserved before; returns
    /// how many of them belong to the piece.
    pub fn reserve(&self, wanted: u64) -> u64 {
        let mut places = self.places();
        let reserved = wanted.min(places.end - places.reserved);
        places.reserved += reserved;
        reserved
    }

    /// Gives back what lies behind `end`, for others to claim; what is reserved stays.
    pub fn truncate(&self, end: u64) {
        let mut places = self.places();
        let end = end.max(places.reserved);
        if end < places.end {
            self.0.shared.progress.unclaim(end..places.end);
            places.end = end;
        }
    }

    /// Reserves everything before `end`, if it is part of the piece.
    fn reserve_to(&self, end: u64) -> bool {
        let mut places = self.places();
        let is_within = end <= places.end;
        if is_within {
            places.reserved = places.reserved.max(end);
        }
        is_within
    }

    fn places(&self) -> MutexGuard<'_, RangePositions> {
        let places = self.0.places.lock();
        places.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RangeWriter {
    fn drop(&mut self) {
        let mut places = self.extent.places();
        let left = self.position..places.end;
        // What is cut later was given back here.
        (places.reserved, places.end) = (left.start, left.start);
        self.extent.0.shared.progress.unclaim(left);
    }
}
