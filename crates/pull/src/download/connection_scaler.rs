//! Decides how many connections download one blob.
//!
//! Several connections help if a single one is slower than the network: over long distances, or if the server limits
//! each. Otherwise they only cost. So connections are added one at a time, until one brings no clear gain.

use std::time::Duration;

use tokio::time::Instant;

use super::range_connections::ExtraConnectionEnd;

/// When a large blob is fetched over several connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitPolicy {
    /// Connections for one blob, at most; 1 for never more than one.
    pub connections: usize,
    /// What is missing of a blob must be at least so much for a second connection, in bytes.
    pub from: u64,
    /// Bytes that one of several connections requests at a time; at least 1.
    pub chunk: u64,
    /// For how long the rate is measured before another connection is tried. What would be here within twice
    /// that time anyway is left to the connections that there are.
    pub trial: Duration,
}

/// The connections of one blob, as a number.
#[derive(Debug)]
pub(super) struct ConnectionScaler {
    split: SplitPolicy,
    /// Connections beside the first.
    extra: usize,
    has_lost_range: bool,
    is_at_limit: bool,
    /// When the present number began to be measured, and what was stored then.
    since: Option<(Instant, u64)>,
    /// Bytes a second with one connection fewer.
    before: u64,
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
    /// Returns it, or one connection only if `is_whole`: what has to come in one piece.
    pub(crate) fn unless(self, is_whole: bool) -> Self {
        let connections = if is_whole { 1 } else { self.connections };
        Self {
            connections,
            ..self
        }
    }
}

impl ConnectionScaler {
    /// Begins with one connection; `can_add` returns whether more are possible.
    pub(super) fn new(split: SplitPolicy, can_add: bool) -> Self {
        Self {
            split,
            extra: 0,
            has_lost_range: false,
            is_at_limit: !can_add,
            since: None,
            before: 0,
        }
    }

    /// Returns whether another connection may be worth a try, now or later.
    pub(super) fn can_add(&self) -> bool {
        !self.is_at_limit && self.extra + 1 < self.split.connections
    }

    /// Returns whether extra connections have been used.
    pub(super) fn is_shared(&self) -> bool {
        self.before > 0
    }

    /// Notes that a helper ended.
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

    /// Returns whether an extra connection has left a gap, and resets that.
    pub(super) fn take_lost_range(&mut self) -> bool {
        std::mem::take(&mut self.has_lost_range)
    }

    /// Decides whether another connection is tried, and counts it.
    ///
    /// `stored` and `missing` are bytes. No connection is added while other transfers wait for a slot (`is_waiting`).
    pub(super) fn try_add(
        &mut self,
        now: Instant,
        stored: u64,
        missing: u64,
        is_waiting: bool,
    ) -> bool {
        let (since, base) = *self.since.get_or_insert((now, stored));
        let time = now - since;
        if time < self.split.trial || !self.can_add() {
            return false;
        }
        let rate = per_second(stored.saturating_sub(base), time);
        // One that makes no difference of a fifth was one too many.
        if rate < self.before.saturating_add(self.before / 5) {
            self.is_at_limit = true;
            return false;
        }
        self.since = None;
        let soon = u128::from(rate) * 2 * self.split.trial.as_millis() / 1000;
        let soon = u64::try_from(soon).unwrap_or(u64::MAX);
        if is_waiting || missing < self.split.from.max(soon) || rate == 0 {
            return false;
        }
        self.before = rate;
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

    /// Lets the blob come at a rate that depends on the number of connections; returns how many there were in
    /// the end.
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
    fn a_slow_connection_gets_help_up_to_the_limit() {
        assert_eq!(connections(1000 * MIB, false, |n| n * 5 * MIB), 4);
    }

    /// The second one is tried, does not help, and stays alone.
    #[test]
    fn a_full_line_is_not_filled_more() {
        assert_eq!(connections(1000 * MIB, false, |_| 20 * MIB), 2);
        assert_eq!(connections(1000 * MIB, false, |n| n.min(2) * 20 * MIB), 3);
    }

    #[test]
    fn what_comes_soon_is_left_alone() {
        assert_eq!(connections(1000 * MIB, false, |_| 600 * MIB), 1);
        assert_eq!(connections(31 * MIB, false, |_| MIB), 1);
    }

    #[test]
    fn others_that_wait_go_first() {
        assert_eq!(connections(1000 * MIB, true, |n| n * 5 * MIB), 1);
    }

    #[test]
    fn one_that_fails_is_the_last() {
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
        let never = ConnectionScaler::new(SplitPolicy::default(), false);
        assert!(!never.can_add());
    }
}
