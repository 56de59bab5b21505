//! The byte counts of one layer's transfer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The byte counts of one layer's transfer, in compressed bytes.
#[derive(Debug, Default)]
pub(crate) struct ByteCounters {
    /// Bytes that were received, by this transfer or an earlier one.
    pub(crate) downloaded: AtomicU64,
    /// Bytes that were decompressed and written out.
    pub(crate) unpacked: AtomicU64,
    /// Whether all bytes are unpacked and the digests are being compared.
    pub(crate) is_verifying: AtomicBool,
}

impl ByteCounters {
    /// Returns how many bytes of a layer of `size` bytes remain to be downloaded and unpacked, in total.
    pub(crate) fn outstanding(&self, size: u64) -> u64 {
        let left = |done: &AtomicU64| size.saturating_sub(done.load(Ordering::Relaxed));
        left(&self.downloaded).saturating_add(left(&self.unpacked))
    }
}
