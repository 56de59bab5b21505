//! The progress of unpacking a layer.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that [`unpack`](crate::unpack) updates and other threads can read meanwhile.
#[derive(Debug, Default)]
pub struct UnpackProgress {
    tar_bytes: AtomicU64,
    entries: AtomicU64,
}

impl UnpackProgress {
    /// Returns the number of tar bytes that have been applied.
    pub fn tar_bytes(&self) -> u64 {
        self.tar_bytes.load(Ordering::Relaxed)
    }

    /// Returns the number of entries that have been applied.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    pub(crate) fn add_tar_bytes(&self, bytes: usize) {
        self.tar_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_entry(&self) {
        self.entries.fetch_add(1, Ordering::Relaxed);
    }
}
