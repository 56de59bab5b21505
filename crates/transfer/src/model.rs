//! Joining, leaving, failing and changing limits in every order that a checker comes up with.
//!
//! A wake-up that is lost shows as a deadlock, which the checker reports with the order that led to it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use shuttle::future::{spawn, yield_now};
use shuttle::rand::{Rng as _, thread_rng};

use super::*;
use crate::schedule::check;

/// Orders that are tried of each scenario.
const RUNS: usize = 4000;

fn any(below: usize) -> usize {
    thread_rng().gen_range(0..below)
}

/// Polls `future` up to `times`; `None` if it was not done by then, and is left.
async fn polled<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
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

/// What the jobs of one key are seen to do.
#[derive(Default)]
struct Seen {
    running: AtomicUsize,
    left: AtomicUsize,
}

async fn work(job: Job<u32>, seen: Arc<Seen>) -> Result<u32, u32> {
    assert_eq!(
        seen.running.fetch_add(1, SeqCst),
        0,
        "one job a key (TM-1, TM-2)"
    );
    let outcome = {
        let mut slot = None;
        let taken = polled(job.acquire_slot(), any(4)).await;
        if let Some(taken) = taken {
            slot = Some(taken);
        }
        for step in 0..any(4) {
            job.publish(|progress| *progress = u32::try_from(step).unwrap());
            yield_now().await;
        }
        drop(slot);
        if job.is_cancelled() {
            assert!(seen.left.load(SeqCst) > 0, "nobody has left (TM-3)");
        }
        if any(3) == 0 { Err(7) } else { Ok(7) }
    };
    seen.running.fetch_sub(1, SeqCst);
    outcome
}

/// TM-1..TM-5: some wait for the outcome, some leave at some moment, some come back.
#[test]
fn transfers_in_every_order() {
    check(RUNS, || async {
        let transfers: Transfers<usize, u32, Result<u32, u32>> =
            Transfers::new(SlotPool::new(1 + any(2)));
        let seen: Vec<Arc<Seen>> = (0..2).map(|_| Arc::default()).collect();
        let watchers: Vec<_> = (0..4)
            .map(|_| {
                let (transfers, seen) = (transfers.clone(), seen.clone());
                spawn(async move {
                    for _ in 0..=any(2) {
                        let key = any(2);
                        let group = TransferGroup::new();
                        let priority = Priority { group, rank: 0 };
                        let of_key = Arc::clone(&seen[key]);
                        let mut watcher = transfers.join(key, priority, |job| work(job, of_key));
                        if any(2) == 0 {
                            let outcome = watcher.outcome().await;
                            assert!(matches!(outcome, Ok(Ok(7) | Err(7))), "{outcome:?}");
                        } else {
                            polled(watcher.next(), any(5)).await;
                        }
                        seen[key].left.fetch_add(1, SeqCst);
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
            (transfers.slots().taken(), transfers.slots().queued()),
            (0, 0)
        );
        assert!(seen.iter().all(|seen| seen.running.load(SeqCst) == 0));
    });
}

/// TM-9, TM-10: whoever waits is served, however others leave and the number changes; no slot is lost, and
/// none is given beyond the number.
#[test]
fn slots_in_every_order() {
    check(RUNS, || async {
        let slots = SlotPool::new(1);
        let most = Arc::new(Mutex::new(1));
        let takers: Vec<_> = (0..5)
            .map(|taker| {
                let (slots, most) = (slots.clone(), Arc::clone(&most));
                spawn(async move {
                    let group = TransferGroup::new();
                    let priorities = JobPriorities::single(Priority { group, rank: taker });
                    for _ in 0..=any(2) {
                        let slot = match any(2) {
                            0 => Some(slots.take(&priorities).await),
                            _ => polled(slots.take(&priorities), any(4)).await,
                        };
                        if slot.is_some() {
                            let taken = slots.taken();
                            let limit = *most.lock().unwrap();
                            assert!(taken <= limit, "more than there ever were");
                            yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            let count = 1 + any(3);
            {
                let mut most = most.lock().unwrap();
                *most = count.max(*most);
            }
            slots.set_limit(count);
            yield_now().await;
        }
        for taker in takers {
            taker.await.unwrap();
        }
        assert_eq!((slots.taken(), slots.queued()), (0, 0));
    });
}

/// A priority that comes or goes while a job is queued changes its turn, and nothing else.
#[test]
fn claims_in_every_order() {
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
                        if any(3) > 0 {
                            assert_eq!(watcher.outcome().await, Ok(key));
                        }
                    }
                })
            })
            .collect();
        for pull in pulls {
            pull.await.unwrap();
        }
        // A job that nobody waits for goes on waiting for its slot here: real ones stop.
        transfers.idle().await;
        assert_eq!(
            (transfers.slots().taken(), transfers.slots().queued()),
            (0, 0)
        );
    });
}
