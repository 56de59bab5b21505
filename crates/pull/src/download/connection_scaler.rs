//! Decides how many connections download one blob.
//!
//! Several connections help if a single one is slower than the network: over long distances, or if the server limits
//! each of them. Otherwise they only cost resources. So connections are added one at a time, until one of them does not
//! increase the throughput clearly.

use std::time::Duration;

use tokio::time::Instant;

use super::range_connections::ExtraConnectionEnd;
use super::split_policy::SplitPolicy;

/// The number of connections of one blob, and the measurements that decide on it.
#[derive(Debug)]
pub(super) struct ConnectionScaler {
    split: SplitPolicy,
    /// The number of connections besides the first.
    extra: usize,
    /// Whether an extra connection ended before its range was complete.
    has_lost_range: bool,
    /// Whether no connection is added any more.
    is_at_limit: bool,
    /// When the measurement with the current number of connections started, and the stored bytes at that time.
    measured_since: Option<(Instant, u64)>,
    /// Bytes per second with one connection fewer.
    previous_rate: u64,
}

impl ConnectionScaler {
    /// Starts with one connection. With `can_add`, more may be added.
    pub(super) fn new(split: SplitPolicy, can_add: bool) -> Self {
        Self {
            split,
            extra: 0,
            has_lost_range: false,
            is_at_limit: !can_add,
            measured_since: None,
            previous_rate: 0,
        }
    }

    /// Returns whether another connection may be added, now or later.
    pub(super) fn can_add(&self) -> bool {
        !self.is_at_limit && self.extra + 1 < self.split.connections
    }

    /// Returns whether extra connections have been used.
    pub(super) fn is_shared(&self) -> bool {
        self.previous_rate > 0
    }

    /// Records the end of an extra connection.
    pub(super) fn record_end(&mut self, end: &ExtraConnectionEnd) {
        self.extra -= 1;
        match end {
            ExtraConnectionEnd::Finished => {}
            ExtraConnectionEnd::NoRanges | ExtraConnectionEnd::Failed => {
                self.is_at_limit = true;
                self.has_lost_range = true;
            }
        }
    }

    /// Returns whether an extra connection has left a gap since the last call.
    pub(super) fn take_lost_range(&mut self) -> bool {
        std::mem::take(&mut self.has_lost_range)
    }

    /// Decides whether another connection is added, and counts it.
    ///
    /// `stored` and `missing` are bytes. No connection is added while other transfers wait for a slot (`is_waiting`).
    pub(super) fn try_add(
        &mut self,
        now: Instant,
        stored: u64,
        missing: u64,
        is_waiting: bool,
    ) -> bool {
        let (since, base) = *self.measured_since.get_or_insert((now, stored));
        let time = now - since;
        if time < self.split.trial || !self.can_add() {
            return false;
        }
        let rate = per_second(stored.saturating_sub(base), time);
        // The last connection has to increase the rate by a fifth.
        if rate < self.previous_rate.saturating_add(self.previous_rate / 5) {
            self.is_at_limit = true;
            return false;
        }
        self.measured_since = None;
        let soon = u128::from(rate) * 2 * self.split.trial.as_millis() / 1000;
        let soon = u64::try_from(soon).unwrap_or(u64::MAX);
        if is_waiting || missing < self.split.from.max(soon) || rate == 0 {
            return false;
        }
        self.previous_rate = rate;
        self.extra += 1;
        true
    }
}

fn per_second(bytes: u64, time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    bytes.saturating_mul(1000) / millis.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Simulates the download of a blob at a rate that depends on the number of connections; returns the final number.
    fn connections(size: u64, is_waiting: bool, rate: impl Fn(u64) -> u64) -> u64 {
        let mut scaler = ConnectionScaler::new(SplitPolicy::default(), true);
        let (mut now, mut stored, mut connections) = (Instant::now(), 0, 1);
        while stored < size {
            now += Duration::from_millis(250);
            stored = (stored + rate(connections) / 4).min(size);
            if scaler.can_add() && scaler.try_add(now, stored, size - stored, is_waiting) {
                connections += 1;
            }
        }
        connections
    }

    #[test]
    fn slow_connections_are_added_up_to_the_limit() {
        assert_eq!(connections(1000 * MIB, false, |n| n * 5 * MIB), 4);
    }

    /// The second connection is tried. It does not increase the rate, so there is no third one.
    #[test]
    fn no_connection_is_added_without_a_gain() {
        assert_eq!(connections(1000 * MIB, false, |_| 20 * MIB), 2);
        assert_eq!(connections(1000 * MIB, false, |n| n.min(2) * 20 * MIB), 3);
    }

    #[test]
    fn small_or_fast_blobs_use_one_connection() {
        assert_eq!(connections(1000 * MIB, false, |_| 600 * MIB), 1);
        assert_eq!(connections(31 * MIB, false, |_| MIB), 1);
    }

    #[test]
    fn no_connection_is_added_while_transfers_wait() {
        assert_eq!(connections(1000 * MIB, true, |n| n * 5 * MIB), 1);
    }

    #[test]
    fn no_connection_is_added_after_a_failure() {
        let mut scaler = ConnectionScaler::new(SplitPolicy::default(), true);
        let now = Instant::now();
        assert!(!scaler.try_add(now, 0, 1000 * MIB, false));
        assert!(scaler.try_add(now + SplitPolicy::default().trial, MIB, 1000 * MIB, false));
        assert!(scaler.can_add() && scaler.is_shared());
        scaler.record_end(&ExtraConnectionEnd::NoRanges);
        assert!(!scaler.can_add());
        assert_eq!(
            [scaler.take_lost_range(), scaler.take_lost_range()],
            [true, false]
        );
        let single = ConnectionScaler::new(SplitPolicy::default(), false);
        assert!(!single.can_add());
    }
}
