//! The limit on the length of a tar.

use crate::error::UnpackError;

/// Counts the bytes of a tar, up to a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct TarLimit {
    total: u64,
    limit: u64,
}

impl TarLimit {
    pub(super) fn new(limit: u64) -> Self {
        Self { total: 0, limit }
    }

    /// Adds `bytes` to the total. Fails if the total exceeds the limit.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), UnpackError> {
        self.total += bytes as u64;
        if self.total > self.limit {
            return Err(UnpackError::TooLong { limit: self.limit });
        }
        Ok(())
    }
}
