//! How fast bytes may come: for all, from one registry, for one pull.

use std::num::NonZeroU64;

use windlass_transfer::Throttle;

/// The limits that one transfer has to keep to, all of them.
#[derive(Clone, Debug)]
pub(crate) struct TransferLimits(pub(crate) Vec<Throttle>);

impl TransferLimits {
    /// Returns whether any of them is set now.
    pub(crate) fn are_set(&self) -> bool {
        self.0.iter().any(|throttle| throttle.rate().is_some())
    }

    /// Returns how many bytes to take at a time.
    pub(crate) fn batch(&self) -> u64 {
        let batches = self.0.iter().map(Throttle::batch);
        batches.min().unwrap_or(1 << 20)
    }

    /// Waits until so many bytes may have come.
    pub(crate) async fn consume(&self, bytes: u64) {
        for throttle in &self.0 {
            throttle.consume(bytes).await;
        }
    }
}

/// Bytes a second; `None` for as many as come.
pub type RateLimit = Option<NonZeroU64>;
