//! Rate limits: of all pulls, of the pulls from one registry, and of one pull.

use std::num::NonZeroU64;

use windlass_transfer::Throttle;

/// A limit in bytes per second; `None` for no limit.
pub type RateLimit = Option<NonZeroU64>;

/// Every limit that applies to one transfer.
#[derive(Clone, Debug)]
pub(crate) struct TransferLimits(pub(crate) Vec<Throttle>);

impl TransferLimits {
    /// Returns whether any of the limits is set now.
    pub(crate) fn are_set(&self) -> bool {
        self.0.iter().any(|throttle| throttle.rate().is_some())
    }

    /// Returns the number of bytes to receive at a time.
    pub(crate) fn batch(&self) -> u64 {
        let batches = self.0.iter().map(Throttle::batch);
        batches.min().unwrap_or(1 << 20)
    }

    /// Waits until every limit permits `bytes` more bytes.
    pub(crate) async fn consume(&self, bytes: u64) {
        for throttle in &self.0 {
            throttle.consume(bytes).await;
        }
    }
}
