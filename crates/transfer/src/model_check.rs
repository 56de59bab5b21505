//! Model checks: joining, leaving, failing and changing limits, in many random orders.
//!
//! A lost wake-up shows as a deadlock, which the checker reports together with the order that led to it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use shuttle::future::{spawn, yield_now};
use shuttle::rand::{Rng as _, thread_rng};

use super::*;
use crate::schedule::check;

/// The number of orders to try of each scenario.
const RUNS: usize = 4000;

/// Returns a random number below `below`.
fn random(below: usize) -> usize {
    thread_rng().gen_range(0..below)
}

/// Polls `future` at most `times` times and then drops it; `None` if it did not complete.
async fn poll_at_most<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// Counts what the jobs and watchers of one key have done.
#[derive(Default)]
struct KeyCounters {
    running: AtomicUsize,
    dropped_watchers: AtomicUsize,
}

async fn work(job: Job<u32>, counters: Arc<KeyCounters>) -> Result<u32, u32> {
    assert_eq!(
        counters.running.fetch_add(1, SeqCst),
        0,
        "at most one job per key (TM-1, TM-2)"
    );
    let outcome = {
        let mut slot = None;
        let acquired = poll_at_most(job.acquire_slot(), random(4)).await;
        if let Some(acquired) = acquired {
            slot = Some(acquired);
        }
        for step in 0..random(4) {
            job.publish(|progress| *progress = u32::try_from(step).unwrap());
            yield_now().await;
        }
        drop(slot);
        if job.is_cancelled() {
            assert!(
                counters.dropped_watchers.load(SeqCst) > 0,
                "no watcher was dropped (TM-3)"
            );
        }
        if random(3) == 0 { Err(7) } else { Ok(7) }
    };
    counters.running.fetch_sub(1, SeqCst);
    outcome
}

/// TM-1..TM-5: some watchers wait for the outcome, some are dropped early, some join again.
#[test]
fn transfers_in_every_order() {
    check(RUNS, || async {
        let transfers: Transfers<usize, u32, Result<u32, u32>> =
            Transfers::new(SlotPool::new(1 + random(2)));
        let counters: Vec<Arc<KeyCounters>> = (0..2).map(|_| Arc::default()).collect();
        let watchers: Vec<_> = (0..4)
            .map(|_| {
                let (transfers, counters) = (transfers.clone(), counters.clone());
                spawn(async move {
                    for _ in 0..=random(2) {
                        let key = random(2);
                        let group = TransferGroup::new();
                        let priority = Priority { group, rank: 0 };
                        let of_key = Arc::clone(&counters[key]);
                        let mut watcher = transfers.join(key, priority, |job| work(job, of_key));
                        if random(2) == 0 {
                            let outcome = watcher.outcome().await;
                            assert!(matches!(outcome, Ok(Ok(7) | Err(7))), "{outcome:?}");
                        } else {
                            poll_at_most(watcher.next(), random(5)).await;
                        }
                        counters[key].dropped_watchers.fetch_add(1, SeqCst);
                        drop(watcher);
                    }
                })
            })
            .collect();
        for watcher in watchers {
            watcher.await.unwrap();
        }
        transfers.idle().await;
        assert!(transfers.0.lock().is_empty());
        assert_eq!(
            (transfers.slots().in_use(), transfers.slots().waiting()),
            (0, 0)
        );
        assert!(
            counters
                .iter()
                .all(|counters| counters.running.load(SeqCst) == 0)
        );
    });
}

/// TM-9, TM-10: every waiting job gets a slot, however others leave the queue and the limit changes; no slot is lost,
/// and none is granted beyond the limit.
#[test]
fn slots_in_every_order() {
    check(RUNS, || async {
        let slots = SlotPool::new(1);
        let largest_limit = Arc::new(Mutex::new(1));
        let tasks: Vec<_> = (0..5)
            .map(|task| {
                let (slots, largest_limit) = (slots.clone(), Arc::clone(&largest_limit));
                spawn(async move {
                    let group = TransferGroup::new();
                    let priorities = JobPriorities::single(Priority { group, rank: task });
                    for _ in 0..=random(2) {
                        let slot = match random(2) {
                            0 => Some(slots.acquire(&priorities).await),
                            _ => poll_at_most(slots.acquire(&priorities), random(4)).await,
                        };
                        if slot.is_some() {
                            let in_use = slots.in_use();
                            let limit = *largest_limit.lock().unwrap();
                            assert!(in_use <= limit, "more than the largest limit so far");
                            yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            let count = 1 + random(3);
            {
                let mut largest_limit = largest_limit.lock().unwrap();
                *largest_limit = count.max(*largest_limit);
            }
            slots.set_limit(count);
            yield_now().await;
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((slots.in_use(), slots.waiting()), (0, 0));
    });
}

/// A priority that is added or removed while a job is queued changes the order of the queue, and nothing else.
#[test]
fn priorities_in_every_order() {
    check(RUNS, || async {
        let transfers: Transfers<usize, u32, usize> = Transfers::new(SlotPool::new(1));
        let pulls: Vec<_> = (0..3)
            .map(|_| {
                let transfers = transfers.clone();
                spawn(async move {
                    let group = TransferGroup::new();
                    let watchers: Vec<_> = (0..3)
                        .map(|key| {
                            let rank = u32::try_from(key).unwrap();
                            transfers.join(
                                key,
                                Priority { group, rank },
                                move |job: Job<u32>| async move {
                                    let _slot = job.acquire_slot().await;
                                    yield_now().await;
                                    key
                                },
                            )
                        })
                        .collect();
                    for (key, mut watcher) in watchers.into_iter().enumerate() {
                        if random(3) > 0 {
                            assert_eq!(watcher.outcome().await, Ok(key));
                        }
                    }
                })
            })
            .collect();
        for pull in pulls {
            pull.await.unwrap();
        }
        // A job without watchers keeps waiting for its slot here, because this work ignores cancellation.
        transfers.idle().await;
        assert_eq!(
            (transfers.slots().in_use(), transfers.slots().waiting()),
            (0, 0)
        );
    });
}
