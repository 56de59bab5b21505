use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, oneshot};

use super::*;

type Numbers = Transfers<&'static str, u32, u32>;

/// Returns the priority of the only job of a new group.
fn priority() -> Priority {
    let group = TransferGroup::new();
    Priority { group, rank: 0 }
}

fn numbers(slots: usize) -> Numbers {
    Transfers::new(SlotPool::new(slots))
}

/// Lets every task that can run do so.
async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// TM-1: a second watcher joins; the work is not started again.
#[tokio::test]
async fn watchers_of_one_key_share_one_job() {
    let (transfers, started) = (numbers(0), Arc::new(AtomicUsize::new(0)));
    let work = |started: Arc<AtomicUsize>| {
        move |_job| async move {
            started.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            7
        }
    };
    let mut first = transfers.join("blob", priority(), work(Arc::clone(&started)));
    let mut second = transfers.join("blob", priority(), work(Arc::clone(&started)));
    assert!(first.started_job() && !second.started_job());
    assert_eq!(first.outcome().await, Ok(7));
    assert_eq!(second.outcome().await, Ok(7));
    assert_eq!(started.load(Ordering::SeqCst), 1);
}

/// A job that has ended is not joined: the next watcher starts a new one.
#[tokio::test]
async fn a_key_can_be_transferred_again() {
    let transfers = numbers(0);
    assert_eq!(
        transfers
            .join("blob", priority(), |_| async { 1 })
            .outcome()
            .await,
        Ok(1)
    );
    assert_eq!(
        transfers
            .join("blob", priority(), |_| async { 2 })
            .outcome()
            .await,
        Ok(2)
    );
    assert!(transfers.0.lock().is_empty());
}

/// TM-3, TM-4: dropping one of two watchers does not cancel the job, dropping the last one does.
#[tokio::test]
async fn dropping_the_last_watcher_cancels() {
    let transfers = numbers(0);
    let (stopped, was_stopped) = oneshot::channel();
    let first = transfers.join("blob", priority(), |job: Job<u32>| async move {
        job.cancelled().await;
        stopped.send(()).unwrap();
        0
    });
    let second = transfers.join("blob", priority(), |_| async { unreachable!("must join") });
    drop(first);
    settle().await;
    assert!(transfers.0.lock().contains_key("blob"), "a watcher is left");
    drop(second);
    was_stopped.await.unwrap();
}

/// TM-2, TM-5: a watcher that joins a cancelled job gets a new one, which starts when the old one has ended.
#[tokio::test]
async fn joining_a_cancelled_job_waits_for_its_end() {
    let transfers = numbers(0);
    let (may_end, ending) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let old = transfers.join("blob", priority(), {
        let (may_end, ending) = (Arc::clone(&may_end), Arc::clone(&ending));
        move |job: Job<u32>| async move {
            job.cancelled().await;
            may_end.notified().await;
            ending.store(1, Ordering::SeqCst);
            1
        }
    });
    settle().await;
    drop(old);
    let mut new = transfers.join("blob", priority(), {
        let ending = Arc::clone(&ending);
        move |_| async move {
            assert_eq!(ending.load(Ordering::SeqCst), 1, "the old job still runs");
            2
        }
    });
    settle().await;
    may_end.notify_one();
    assert_eq!(new.outcome().await, Ok(2));
    settle().await;
    assert!(transfers.0.lock().is_empty());
}

/// TM-6: a late watcher gets the latest progress at once, and no backlog.
#[tokio::test]
async fn a_late_watcher_gets_the_latest_progress() {
    let transfers = numbers(0);
    let done = Arc::new(Notify::new());
    let mut early = transfers.join("blob", priority(), {
        let done = Arc::clone(&done);
        move |job: Job<u32>| async move {
            for step in 1..=3 {
                job.publish(|progress| *progress = step);
            }
            done.notified().await;
            0
        }
    });
    settle().await;
    let late = transfers.join("blob", priority(), |_| async { unreachable!("must join") });
    assert_eq!(late.progress(), 3);
    assert_eq!(early.next().await, Ok(Update::Progress(3)));
    done.notify_one();
    assert_eq!(early.next().await, Ok(Update::Outcome(0)));
}

/// TM-7: no more jobs than the limit at a time, in order of arrival.
#[tokio::test]
async fn slots_bound_the_jobs_and_queue_the_rest() {
    let transfers = numbers(2);
    let (running, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut watchers: Vec<_> = ["a", "b", "c", "d", "e"]
        .into_iter()
        .map(|key| {
            let (running, peak, order) =
                (Arc::clone(&running), Arc::clone(&peak), Arc::clone(&order));
            transfers.join(key, priority(), move |job: Job<u32>| async move {
                let _slot = job.acquire_slot().await;
                order.lock().unwrap().push(key);
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                peak.fetch_max(now, Ordering::SeqCst);
                settle().await;
                running.fetch_sub(1, Ordering::SeqCst);
                0
            })
        })
        .collect();
    for watcher in &mut watchers {
        watcher.outcome().await.unwrap();
    }
    assert_eq!(peak.load(Ordering::SeqCst), 2);
    assert_eq!(*order.lock().unwrap(), ["a", "b", "c", "d", "e"]);
}

/// `idle` also waits for a job that was cancelled.
#[tokio::test]
async fn idle_waits_for_the_end_of_a_cancelled_job() {
    let transfers = numbers(0);
    let over = Arc::new(AtomicUsize::new(0));
    let watcher = transfers.join("blob", priority(), {
        let over = Arc::clone(&over);
        move |job: Job<u32>| async move {
            job.cancelled().await;
            settle().await;
            over.store(1, Ordering::SeqCst);
            0
        }
    });
    settle().await;
    drop(watcher);
    transfers.idle().await;
    assert_eq!(over.load(Ordering::SeqCst), 1);
}

/// Outcomes without a watcher are dropped before `idle` completes: they may hold files.
#[tokio::test]
async fn idle_waits_for_outcomes_to_be_dropped() {
    let transfers: Transfers<&str, u32, Arc<()>> = Transfers::new(SlotPool::unlimited());
    let outcome = Arc::new(());
    let watcher = transfers.join("blob", priority(), {
        let outcome = Arc::clone(&outcome);
        move |job: Job<u32>| async move {
            job.cancelled().await;
            outcome
        }
    });
    settle().await;
    drop(watcher);
    transfers.idle().await;
    assert_eq!(Arc::strong_count(&outcome), 1);
}

/// A job that panics leaves neither a key in the map nor a waiting watcher.
#[tokio::test]
async fn a_panic_abandons_its_watchers_only() {
    let transfers = numbers(0);
    let mut watcher = transfers.join("blob", priority(), |_| async { panic!("on purpose") });
    assert_eq!(watcher.outcome().await, Err(Abandoned));
    assert_eq!(
        transfers
            .join("blob", priority(), |_| async { 3 })
            .outcome()
            .await,
        Ok(3)
    );
}

/// Base layers go first, and a pull of one layer does not wait for the fifty layers of another.
#[tokio::test]
async fn slots_are_fair_between_groups_and_the_lowest_rank_goes_first() {
    let slots = SlotPool::new(1);
    let [many, one] = [TransferGroup::new(), TransferGroup::new()];
    let first_priority = JobPriorities::single(Priority {
        group: many,
        rank: 0,
    });
    let first = slots.acquire(&first_priority).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let jobs = [(many, 3), (many, 1), (many, 2), (one, 9), (one, 7)];
    let tasks: Vec<_> = jobs
        .into_iter()
        .map(|(group, rank)| {
            let (slots, order) = (slots.clone(), Arc::clone(&order));
            tokio::spawn(async move {
                let _slot = slots
                    .acquire(&JobPriorities::single(Priority { group, rank }))
                    .await;
                order.lock().unwrap().push(rank);
            })
        })
        .collect();
    settle().await;
    assert_eq!((slots.waiting(), slots.in_use()), (5, 1));
    drop(first);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [7, 1, 9, 2, 3]);
    assert_eq!((slots.waiting(), slots.in_use()), (0, 0));
}

/// A job with several watchers has the highest of their priorities.
#[tokio::test]
async fn joining_a_queued_job_can_move_it_forward() {
    let transfers = numbers(1);
    let [early, late] = [TransferGroup::new(), TransferGroup::new()];
    let order = Arc::new(Mutex::new(Vec::new()));
    let gate = Arc::new(Notify::new());
    let work = |key: &'static str| {
        let (order, gate) = (Arc::clone(&order), Arc::clone(&gate));
        move |job: Job<u32>| async move {
            let _slot = job.acquire_slot().await;
            order.lock().unwrap().push(key);
            if key == "first" {
                gate.notified().await;
            }
            0
        }
    };
    let mut watchers = Vec::new();
    for (rank, key) in ["first", "a", "b", "c"].into_iter().enumerate() {
        let rank = u32::try_from(rank).unwrap();
        let priority = Priority { group: early, rank };
        watchers.push(transfers.join(key, priority, work(key)));
        settle().await;
    }
    let priority = Priority {
        group: late,
        rank: 50,
    };
    watchers.push(transfers.join("c", priority, work("never")));
    gate.notify_one();
    for watcher in &mut watchers {
        watcher.outcome().await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["first", "c", "a", "b"]);
}

/// Better than TM-9: the limit can be raised and lowered, and a change takes effect at once.
#[tokio::test]
async fn the_limit_can_be_changed_at_any_time() {
    let slots = SlotPool::new(1);
    let take = || {
        let slots = slots.clone();
        tokio::spawn(async move { slots.acquire(&JobPriorities::single(priority())).await })
    };
    let mut tasks: Vec<_> = (0..6).map(|_| take()).collect();
    settle().await;
    assert_eq!((slots.in_use(), slots.waiting()), (1, 5));
    slots.set_limit(4);
    settle().await;
    assert_eq!((slots.limit(), slots.in_use(), slots.waiting()), (4, 4, 2));
    slots.set_limit(2);
    for left in [3, 2] {
        drop(tasks.remove(0).await.unwrap());
        settle().await;
        assert_eq!((slots.in_use(), slots.waiting()), (left, 2));
    }
    drop(tasks.remove(0).await.unwrap());
    settle().await;
    assert_eq!((slots.in_use(), slots.waiting()), (2, 1));
    slots.set_limit(0);
    settle().await;
    assert_eq!((slots.in_use(), slots.waiting()), (3, 0));
}

/// TM-10: a job that leaves the queue leaves no gap, and no slot is lost.
#[tokio::test]
async fn leaving_the_queue_loses_no_slot() {
    let slots = SlotPool::new(1);
    let first = slots.acquire(&JobPriorities::single(priority())).await;
    let take = || {
        let slots = slots.clone();
        tokio::spawn(async move { slots.acquire(&JobPriorities::single(priority())).await })
    };
    let (aborted, granted, staying) = (take(), take(), take());
    settle().await;
    aborted.abort();
    settle().await;
    assert_eq!(slots.waiting(), 2);
    // The slot is granted to a job that is aborted at the same moment: it is passed on to the next.
    drop(first);
    granted.abort();
    let slot = staying.await.unwrap();
    assert_eq!((slots.in_use(), slots.waiting()), (1, 0));
    drop(slot);
    assert_eq!(slots.in_use(), 0);
}
