//! A limit on the number of bytes per second.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};

/// The length of the burst that is allowed after a pause: as many bytes as the rate allows in this time.
const BURST: Duration = Duration::from_millis(100);

/// The smallest burst that is allowed, in bytes.
const MIN_BURST: u64 = 16 << 10;

/// The largest number of bytes to read at a time.
const MAX_BATCH: u64 = 1 << 20;

const NANOS: u128 = 1_000_000_000;

/// A limit on the number of bytes per second. Clones share the same limit.
#[derive(Clone, Debug)]
pub struct Throttle(Arc<ThrottleState>);

#[derive(Debug)]
struct ThrottleState {
    rate: watch::Sender<Option<NonZeroU64>>,
    /// The lock is fair: callers wait in order of arrival.
    schedule: Mutex<ByteSchedule>,
}

#[derive(Debug)]
struct ByteSchedule {
    /// The time at which, at the current rate, all bytes counted so far have been transferred.
    settled: Instant,
}

impl Throttle {
    /// Limits to `rate` bytes per second; `None` for no limit.
    pub fn new(rate: Option<NonZeroU64>) -> Self {
        Self(Arc::new(ThrottleState {
            rate: watch::Sender::new(rate),
            schedule: Mutex::new(ByteSchedule {
                settled: Instant::now(),
            }),
        }))
    }

    /// Creates a throttle without a limit.
    pub fn unlimited() -> Self {
        Self::new(None)
    }

    /// Changes the rate. Waiting callers continue at the new rate at once.
    pub fn set(&self, rate: Option<NonZeroU64>) {
        self.0.rate.send_replace(rate);
    }

    /// Returns the rate in bytes per second; `None` for no limit.
    pub fn rate(&self) -> Option<NonZeroU64> {
        *self.0.rate.borrow()
    }

    /// Returns how many bytes to read at a time for a steady flow: those of a tenth of a second.
    pub fn batch(&self) -> u64 {
        let rate = self.rate().map(|rate| rate.get() / 10);
        rate.map_or(MAX_BATCH, |rate| rate.clamp(MIN_BURST, MAX_BATCH))
    }

    /// Waits until the rate allows the `bytes` that have arrived. Callers are served in order of arrival.
    ///
    /// If the future is dropped, only the part of the bytes that it has waited for counts.
    pub async fn consume(&self, bytes: u64) {
        if self.rate().is_none() {
            return;
        }
        let mut schedule = self.0.schedule.lock().await;
        let mut rates = self.0.rate.subscribe();
        let mut left = u128::from(bytes);
        loop {
            let Some(rate) = *rates.borrow_and_update() else {
                schedule.settled = Instant::now();
                return;
            };
            let rate = u128::from(rate.get());
            let now = Instant::now();
            schedule.limit_burst(now, rate);
            let due = schedule.settled + duration(left * NANOS / rate);
            if due <= now {
                schedule.settled = due;
                return;
            }
            if timeout(due - now, rates.changed()).await.is_err() {
                schedule.settled = due;
                return;
            }
            // The rate changed: what remains is waited for at the new rate.
            let waited = now.elapsed() + (now - schedule.settled);
            left = left.saturating_sub(waited.as_nanos() * rate / NANOS);
            schedule.settled = Instant::now();
        }
    }
}

impl ByteSchedule {
    /// Forgets idle time beyond one burst: a long pause allows no larger burst than a short one.
    fn limit_burst(&mut self, now: Instant, rate: u128) {
        let least = duration(u128::from(MIN_BURST) * NANOS / rate);
        let burst = BURST.max(least);
        if let Some(earliest) = now.checked_sub(burst) {
            self.settled = self.settled.max(earliest);
        }
    }
}

fn duration(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(bytes: u64) -> Option<NonZeroU64> {
        NonZeroU64::new(bytes)
    }

    async fn seconds(work: impl Future<Output = ()>) -> f64 {
        let start = Instant::now();
        work.await;
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn parallel_callers_share_the_rate() {
        let throttle = Throttle::new(rate(1_000_000));
        let tasks = (1u64..=8).map(|task| {
            let throttle = throttle.clone();
            async move {
                let mut taken = 0;
                while taken < 7_500_000 {
                    throttle.consume(task * 3_000).await;
                    taken += task * 3_000;
                }
            }
        });
        let tasks: Vec<_> = tasks.map(tokio::spawn).collect();
        let took = seconds(async {
            for task in tasks {
                task.await.unwrap();
            }
        })
        .await;
        assert!((59.8..60.6).contains(&took), "{took}");
    }

    /// After a pause, the bytes of a tenth of a second are allowed at once, and no more.
    #[tokio::test(start_paused = true)]
    async fn a_long_pause_allows_only_a_short_burst() {
        let throttle = Throttle::new(rate(1_000_000));
        tokio::time::sleep(Duration::from_secs(60)).await;
        let took = seconds(throttle.consume(100_000)).await;
        assert!(took < 0.001, "{took}");
        let took = seconds(throttle.consume(500_000)).await;
        assert!((0.49..0.51).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_rate_takes_effect_at_once() {
        let throttle = Throttle::new(rate(1_000));
        let slow = throttle.clone();
        let waiting = tokio::spawn(async move { seconds(slow.consume(1_000_000)).await });
        tokio::time::sleep(Duration::from_secs(10)).await;
        throttle.set(rate(99_000));
        let took = waiting.await.unwrap();
        assert!((19.9..20.1).contains(&took), "{took}");

        let slow = throttle.clone();
        throttle.set(rate(1));
        let waiting = tokio::spawn(async move { seconds(slow.consume(1 << 30)).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        throttle.set(None);
        let took = waiting.await.unwrap();
        assert!(took < 1.1, "{took}");
        assert!(seconds(throttle.consume(u64::MAX)).await < 0.001);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_caller_does_not_delay_the_next() {
        let throttle = Throttle::new(rate(1_000));
        let (one, other) = (throttle.clone(), throttle.clone());
        let dropped = tokio::spawn(async move { one.consume(1 << 40).await });
        tokio::task::yield_now().await;
        let waiting = tokio::spawn(async move { seconds(other.consume(1_000)).await });
        tokio::time::sleep(Duration::from_secs(5)).await;
        dropped.abort();
        let took = waiting.await.unwrap();
        assert!((5.0..6.1).contains(&took), "{took}");
    }

    #[test]
    fn batch_size_follows_the_rate() {
        let batch = |bytes| Throttle::new(rate(bytes)).batch();
        assert_eq!(
            [1, 1_000_000, u64::MAX].map(batch),
            [16 << 10, 100_000, 1 << 20]
        );
        assert_eq!(Throttle::unlimited().batch(), 1 << 20);
    }
}
