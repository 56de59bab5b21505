//! When a blob is fetched over several connections.

use std::time::Duration;

/// When a large blob is fetched over several connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitPolicy {
    /// The maximum number of connections for one blob.
    pub connections: usize,
    /// The minimum number of missing bytes for a second connection.
    pub from: u64,
    /// The number of bytes that each of several connections requests at a time; at least 1.
    pub chunk: u64,
    /// How long the throughput is measured before another connection is added. If the missing bytes are expected within
    /// twice this time, no connection is added.
    pub trial: Duration,
}

impl Default for SplitPolicy {
    fn default() -> Self {
        Self {
            connections: 4,
            from: 32 << 20,
            chunk: 8 << 20,
            trial: Duration::from_secs(1),
        }
    }
}

impl SplitPolicy {
    /// Returns the policy that never uses more than one connection.
    pub(crate) fn single_connection(self) -> Self {
        Self {
            connections: 1,
            ..self
        }
    }
}
