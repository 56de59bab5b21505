//! The throughput of a transfer over the last few seconds.

use std::collections::VecDeque;
use std::time::Duration;

/// The period that the throughput is computed over.
const WINDOW: Duration = Duration::from_secs(3);
/// The minimum time between two samples.
const MIN_STEP: Duration = Duration::from_millis(100);
/// The minimum period that a throughput is computed for.
const MIN_PERIOD: Duration = Duration::from_millis(200);

/// The recent throughput of a transfer, from samples of its byte count.
#[derive(Debug, Default)]
pub struct Throughput {
    /// Times and byte counts, oldest first. At most one sample is older than the window.
    samples: VecDeque<(Duration, u64)>,
    latest: u64,
}

impl Throughput {
    /// Records the byte count at `now`.
    pub fn record(&mut self, now: Duration, bytes: u64) {
        self.latest = bytes;
        let is_due = match self.samples.back() {
            Some(&(time, _)) => now.saturating_sub(time) >= MIN_STEP,
            None => true,
        };
        if is_due {
            self.samples.push_back((now, bytes));
        }
        let start = now.saturating_sub(WINDOW);
        while self.samples.get(1).is_some_and(|&(time, _)| time <= start) {
            self.samples.pop_front();
        }
    }

    /// Returns bytes per second, or `None` while there are too few samples. Without new bytes, the throughput decreases.
    pub fn per_second(&self, now: Duration) -> Option<f64> {
        let &(since, base) = self.samples.front()?;
        let time = now.saturating_sub(since);
        (time >= MIN_PERIOD)
            .then(|| to_float(self.latest.saturating_sub(base)) / time.as_secs_f64())
    }

    /// Returns the time that `rest` bytes take at this throughput, or `None` if it cannot be estimated.
    pub fn time_for(&self, rest: u64, now: Duration) -> Option<Duration> {
        if rest == 0 {
            return Some(Duration::ZERO);
        }
        let rate = self.per_second(now)?;
        let seconds = to_float(rest) / rate;
        Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|time| time.as_secs() < 100 * 60 * 60)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is not exact")]
fn to_float(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn only_the_last_seconds_count() {
        let mut rate = Throughput::default();
        for second in 0..10 {
            rate.record(at(second * 1000), second * 10);
        }
        assert_eq!(rate.per_second(at(9000)), Some(10.0));
        for second in 10..20 {
            rate.record(at(second * 1000), 90 + (second - 9) * 1000);
        }
        assert_eq!(rate.per_second(at(19_000)), Some(1000.0));
        assert_eq!(rate.time_for(5000, at(19_000)), Some(at(5000)));
    }

    #[test]
    fn there_is_no_estimate_without_enough_samples_or_progress() {
        let mut rate = Throughput::default();
        assert_eq!(rate.per_second(at(0)), None);
        rate.record(at(0), 0);
        rate.record(at(50), 1000);
        assert_eq!(rate.per_second(at(150)), None);
        assert_eq!(
            rate.per_second(at(500)),
            Some(2000.0),
            "the latest count is not lost"
        );
        let mut stalled = Throughput::default();
        stalled.record(at(0), 7);
        assert_eq!(stalled.per_second(at(60_000)), Some(0.0));
        assert_eq!(stalled.time_for(1, at(60_000)), None);
        assert_eq!(stalled.time_for(0, at(60_000)), Some(Duration::ZERO));
    }
}
