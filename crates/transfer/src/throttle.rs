//! How many bytes may come in a second.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};

/// What may come at once after a pause, at most: as much as in this time.
const BURST: Duration = Duration::from_millis(100);

/// The least that may come at once, in bytes.
const LEAST_BURST: u64 = 16 << 10;

/// What is taken at a time, at most, in bytes.
const LARGEST_BATCH: u64 = 1 << 20;

const NANOS: u128 = 1_000_000_000;

/// A number of bytes a second, shared by everything that was given a clone of it.
#[derive(Clone, Debug)]
pub struct Throttle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rate: watch::Sender<Option<NonZeroU64>>,
    /// Whose turn it is: one after the other.
    account: Mutex<Account>,
}

#[derive(Debug)]
struct Account {
    /// Up to when what came is paid for.
    paid: Instant,
}

impl Throttle {
    /// Lets through `rate` bytes a second, or as many as come.
    pub fn new(rate: Option<NonZeroU64>) -> Self {
        Self(Arc::new(Inner {
            rate: watch::Sender::new(rate),
            account: Mutex::new(Account {
                paid: Instant::now(),
            }),
        }))
    }

    /// Lets through as many as come.
    pub fn unlimited() -> Self {
        Self::new(None)
    }

    /// Changes the rate; those that wait reckon anew at once.
    pub fn set(&self, rate: Option<NonZeroU64>) {
        self.0.rate.send_replace(rate);
    }

    /// Returns the rate in bytes a second, if there is one.
    pub fn rate(&self) -> Option<NonZeroU64> {
        *self.0.rate.borrow()
    }

    /// Returns how many bytes to take at a time, so that they come steadily: a tenth of a second's.
    pub fn batch(&self) -> u64 {
        let rate = self.rate().map(|rate| rate.get() / 10);
        rate.map_or(LARGEST_BATCH, |rate| rate.clamp(LEAST_BURST, LARGEST_BATCH))
    }

    /// Waits until `bytes` that have come are paid for. First come, first served.
    ///
    /// Who stops waiting has paid for what was waited for.
    pub async fn take(&self, bytes: u64) {
        if self.rate().is_none() {
            return;
        }
        let mut account = self.0.account.lock().await;
        let mut rates = self.0.rate.subscribe();
        let mut left = u128::from(bytes);
        loop {
            let Some(rate) = *rates.borrow_and_update() else {
                account.paid = Instant::now();
                return;
            };
            let rate = u128::from(rate.get());
            let now = Instant::now();
            account.save_up(now, rate);
            // Paid in full if the time that it takes is over.
            let price = duration(left * NANOS / rate);
            let due = account.paid + price;
            if due <= now {
                account.paid = due;
                return;
            }
            if timeout(due - now, rates.changed()).await.is_err() {
                account.paid = due;
                return;
            }
            let waited = now.elapsed() + (now - account.paid);
            left = left.saturating_sub(waited.as_nanos() * rate / NANOS);
            account.paid = Instant::now();
        }
    }
}

impl Account {
    /// Of the time in which nothing came, only a little is worth something.
    fn save_up(&mut self, now: Instant, rate: u128) {
        let least = duration(u128::from(LEAST_BURST) * NANOS / rate);
        let burst = BURST.max(least);
        if let Some(earliest) = now.checked_sub(burst) {
            self.paid = self.paid.max(earliest);
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
    async fn no_more_than_the_rate_comes_however_many_take() {
        let throttle = Throttle::new(rate(1_000_000));
        let takers = (1u64..=8).map(|taker| {
            let throttle = throttle.clone();
            async move {
                let mut taken = 0;
                while taken < 7_500_000 {
                    throttle.take(taker * 3_000).await;
                    taken += taker * 3_000;
                }
            }
        });
        let takers: Vec<_> = takers.map(tokio::spawn).collect();
        let took = seconds(async {
            for taker in takers {
                taker.await.unwrap();
            }
        })
        .await;
        assert!((59.8..60.6).contains(&took), "{took}");
    }

    /// After a pause a tenth of a second's worth comes at once, and no more.
    #[tokio::test(start_paused = true)]
    async fn little_is_saved_up() {
        let throttle = Throttle::new(rate(1_000_000));
        tokio::time::sleep(Duration::from_secs(60)).await;
        let took = seconds(throttle.take(100_000)).await;
        assert!(took < 0.001, "{took}");
        let took = seconds(throttle.take(500_000)).await;
        assert!((0.49..0.51).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_rate_counts_at_once() {
        let throttle = Throttle::new(rate(1_000));
        let slow = throttle.clone();
        let waiting = tokio::spawn(async move { seconds(slow.take(1_000_000)).await });
        tokio::time::sleep(Duration::from_secs(10)).await;
        throttle.set(rate(99_000));
        let took = waiting.await.unwrap();
        assert!((19.9..20.1).contains(&took), "{took}");

        let slow = throttle.clone();
        throttle.set(rate(1));
        let waiting = tokio::spawn(async move { seconds(slow.take(1 << 30)).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        throttle.set(None);
        let took = waiting.await.unwrap();
        assert!(took < 1.1, "{took}");
        assert!(seconds(throttle.take(u64::MAX)).await < 0.001);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_holds_nobody_up() {
        let throttle = Throttle::new(rate(1_000));
        let (one, other) = (throttle.clone(), throttle.clone());
        let leaving = tokio::spawn(async move { one.take(1 << 40).await });
        tokio::task::yield_now().await;
        let waiting = tokio::spawn(async move { seconds(other.take(1_000)).await });
        tokio::time::sleep(Duration::from_secs(5)).await;
        leaving.abort();
        let took = waiting.await.unwrap();
        assert!((5.0..6.1).contains(&took), "{took}");
    }

    #[test]
    fn batches_are_as_large_as_the_rate_bears() {
        let batch = |bytes| Throttle::new(rate(bytes)).batch();
        assert_eq!(
            [1, 1_000_000, u64::MAX].map(batch),
            [16 << 10, 100_000, 1 << 20]
        );
        assert_eq!(Throttle::unlimited().batch(), 1 << 20);
    }
}
