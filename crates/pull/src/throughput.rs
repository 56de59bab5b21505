//! How fast a count grows, over the last few seconds.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back the rate looks.
const WINDOW: Duration = Duration::from_secs(3);
/// Samples closer together than this are ignored.
const STEP: Duration = Duration::from_millis(100);
/// Before this much time has passed, a rate would be noise.
const SHORTEST: Duration = Duration::from_millis(200);

/// The recent growth of a count of bytes.
#[derive(Debug, Default)]
pub struct Throughput {
    /// Time and count, oldest first. One sample may be older than the window: where it began.
    samples: VecDeque<(Duration, u64)>,
    latest: u64,
}

impl Throughput {
    /// Notes that the count stands at `bytes`.
    pub fn note(&mut self, now: Duration, bytes: u64) {
        self.latest = bytes;
        let is_news = match self.samples.back() {
            Some(&(time, _)) => now.saturating_sub(time) >= STEP,
            None => true,
        };
        if is_news {
            self.samples.push_back((now, bytes));
        }
        let begin = now.saturating_sub(WINDOW);
        while self.samples.get(1).is_some_and(|&(time, _)| time <= begin) {
            self.samples.pop_front();
        }
    }

    /// Returns bytes per second, or `None` while there are too few samples. A count that stands still decays.
    pub fn per_second(&self, now: Duration) -> Option<f64> {
        let &(since, base) = self.samples.front()?;
        let time = now.saturating_sub(since);
        (time >= SHORTEST).then(|| to_float(self.latest.saturating_sub(base)) / time.as_secs_f64())
    }

    /// Returns how long the rest takes at this throughput, or `None` if there is no estimate.
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
            rate.note(at(second * 1000), second * 10);
        }
        assert_eq!(rate.per_second(at(9000)), Some(10.0));
        for second in 10..20 {
            rate.note(at(second * 1000), 90 + (second - 9) * 1000);
        }
        assert_eq!(rate.per_second(at(19_000)), Some(1000.0));
        assert_eq!(rate.time_for(5000, at(19_000)), Some(at(5000)));
    }

    #[test]
    fn nothing_is_claimed_too_early_or_about_a_standstill() {
        let mut rate = Throughput::default();
        assert_eq!(rate.per_second(at(0)), None);
        rate.note(at(0), 0);
        rate.note(at(50), 1000);
        assert_eq!(rate.per_second(at(150)), None);
        assert_eq!(
            rate.per_second(at(500)),
            Some(2000.0),
            "the latest count is not lost"
        );
        let mut still = Throughput::default();
        still.note(at(0), 7);
        assert_eq!(still.per_second(at(60_000)), Some(0.0));
        assert_eq!(still.time_for(1, at(60_000)), None);
        assert_eq!(still.time_for(0, at(60_000)), Some(Duration::ZERO));
    }
}
