//! Runs one job per key, shared by all its watchers, with a bounded number of jobs at a time.
//!
//! The crate is independent of images: a key is any value that can be hashed, the work is a closure, and the outcome
//! is any value that can be cloned for each watcher.
//!
//! # Invariants
//! - At most one job per key runs at any time (TM-1). A watcher that joins while it runs shares it.
//! - A job runs as long as it has watchers, no matter which of them started it: it is cancelled when the last
//!   [`Watcher`] is dropped, and not before (TM-3, TM-4).
//! - A cancelled job ends when its work has returned (TM-5). A watcher that joins in between gets a new job, which
//!   starts when the old one has ended (TM-2).
//! - A late watcher gets the latest progress at once, and no watcher gets a backlog (TM-6).
//! - Slots are shared out fairly among transfer groups; a job returns its slot while it waits for anything but the
//!   network (TM-7, TM-8, DM-11). A job has the highest of the priorities of its watchers.

#[cfg(test)]
mod model_check;
mod priorities;
mod schedule;
mod slots;
#[cfg(test)]
mod tests;
mod throttle;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use priorities::PriorityGuard;

pub use priorities::{JobPriorities, Priority, TransferGroup};
pub use slots::{Slot, SlotPool};
pub use throttle::Throttle;

/// The transfers of a process: at most one job per key.
///
/// `P` is the progress that a job publishes, `T` its outcome. Clones share the same jobs.
pub struct Transfers<K, P, T>(Arc<TransferMap<K, P, T>>);

/// The handle that the work of a job gets: for slots, progress and cancellation.
#[derive(Debug)]
pub struct Job<P> {
    slots: SlotPool,
    priorities: JobPriorities,
    progress: watch::Sender<P>,
    cancellation: CancellationToken,
}

/// A subscription to a transfer. Dropping the last watcher of a job cancels the job.
pub struct Watcher<P, T> {
    progress: watch::Receiver<P>,
    outcome: watch::Receiver<Option<T>>,
    started_job: bool,
    _priority: PriorityGuard,
    // Cancels the job when the last clone is dropped.
    _cancel_on_drop: Arc<CancelOnDrop>,
}

/// The next item of a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update<P, T> {
    /// The latest progress; values that were published before it and not yet received are skipped (TM-6).
    Progress(P),
    /// The outcome; nothing follows it.
    Outcome(T),
}

/// The job ended without an outcome: its work panicked, or the runtime was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transfer was abandoned")]
pub struct Abandoned;

struct TransferMap<K, P, T> {
    slots: SlotPool,
    running: Mutex<HashMap<K, RunningJob<P, T>>>,
    /// Every job holds a receiver until it has ended and its outcome is sent or dropped.
    ended: watch::Sender<()>,
}

/// A job in the map. It does not keep the job from being cancelled.
struct RunningJob<P, T> {
    progress: watch::Receiver<P>,
    outcome: watch::Receiver<Option<T>>,
    cancel_on_drop: std::sync::Weak<CancelOnDrop>,
    priorities: JobPriorities,
}

/// Shared by the watchers of one job: cancels the job when the last of them is dropped.
#[derive(Debug)]
struct CancelOnDrop(CancellationToken);

/// Removes the job from the map when it is dropped, whether the work returned or panicked.
struct MapEntryGuard<K: Eq + Hash, P, T> {
    map: Arc<TransferMap<K, P, T>>,
    key: K,
    outcome: watch::Receiver<Option<T>>,
}

impl<K, P, T> Transfers<K, P, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    P: Default + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Creates an empty set of transfers whose jobs share `slots`.
    pub fn new(slots: SlotPool) -> Self {
        Self(Arc::new(TransferMap {
            slots,
            running: Mutex::default(),
            ended: watch::Sender::new(()),
        }))
    }

    /// Watches the transfer for `key`, and starts `work` if none is running. Until the watcher is dropped,
    /// `priority` counts for the order in which jobs get their slots.
    ///
    /// `work` runs as a task of the current tokio runtime. When [`Job::cancelled`] completes, `work` has to end
    /// everything that it started and return: only then can the next job for the key start.
    pub fn join<F, W>(&self, key: K, priority: Priority, work: F) -> Watcher<P, T>
    where
        F: FnOnce(Job<P>) -> W + Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let mut running = self.0.lock();
        let previous = match running.entry(key.clone()) {
            Entry::Vacant(_) => None,
            Entry::Occupied(entry) => {
                let job = entry.get();
                match job.cancel_on_drop.upgrade() {
                    Some(shared) => return job.watcher(shared, priority, false),
                    // Cancelled, but not ended yet.
                    None => Some(job.outcome.clone()),
                }
            }
        };

        let (progress, progress_receiver) = watch::channel(P::default());
        let (outcome, outcome_receiver) = watch::channel(None);
        let cancellation = CancellationToken::new();
        let cancel_on_drop = Arc::new(CancelOnDrop(cancellation.clone()));
        let priorities = JobPriorities::default();
        let job = Job {
            slots: self.0.slots.clone(),
            priorities: priorities.clone(),
            progress,
            cancellation,
        };
        let entry = RunningJob {
            progress: progress_receiver,
            outcome: outcome_receiver.clone(),
            cancel_on_drop: Arc::downgrade(&cancel_on_drop),
            priorities,
        };
        let watcher = entry.watcher(cancel_on_drop, priority, true);
        running.insert(key.clone(), entry);
        drop(running);

        let map_entry = MapEntryGuard {
            map: Arc::clone(&self.0),
            key,
            outcome: outcome_receiver,
        };
        let not_ended = self.0.ended.subscribe();
        schedule::spawn(async move {
            if let Some(previous) = previous {
                wait_for_end(previous).await;
            }
            let result = work(job).await;
            // The map entry goes first: a watcher that joins from now on must not get a job that has ended.
            drop(map_entry);
            outcome.send_replace(Some(result));
            // Without watchers, this drops the outcome, too.
            drop(outcome);
            drop(not_ended);
        });
        watcher
    }
}

impl<K, P, T> Transfers<K, P, T> {
    /// Returns the slots that the jobs share.
    pub fn slots(&self) -> &SlotPool {
        &self.0.slots
    }

    /// Waits until no job runs, cancelled ones included, and all outcomes without a watcher are dropped.
    ///
    /// Also waits for jobs that are started meanwhile.
    pub async fn idle(&self) {
        self.0.ended.closed().await;
    }
}

impl<K, P, T> Clone for Transfers<K, P, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, P, T> fmt::Debug for Transfers<K, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfers")
            .field("running", &self.0.lock().len())
            .finish_non_exhaustive()
    }
}

impl<P> Job<P> {
    /// Waits for a slot; dropping the slot returns it.
    pub async fn acquire_slot(&self) -> Slot {
        self.slots.acquire(&self.priorities).await
    }

    /// Returns whether other jobs wait for a slot.
    pub fn has_slot_waiters(&self) -> bool {
        self.slots.waiting() > 0
    }

    /// Returns the priorities that the watchers of this job have given it.
    pub fn priorities(&self) -> &JobPriorities {
        &self.priorities
    }

    /// Changes the progress of the job; watchers receive the latest value.
    pub fn publish(&self, change: impl FnOnce(&mut P)) {
        self.progress.send_modify(change);
    }

    /// Completes when the last watcher is dropped.
    pub async fn cancelled(&self) {
        self.cancellation.cancelled().await;
    }

    /// Returns whether the last watcher has been dropped.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }
}

impl<P: Clone, T: Clone> Watcher<P, T> {
    /// Waits for the outcome.
    pub async fn outcome(&mut self) -> Result<T, Abandoned> {
        let outcome = self
            .outcome
            .wait_for(Option::is_some)
            .await
            .map_err(|_| Abandoned)?;
        outcome.clone().ok_or(Abandoned)
    }

    /// Returns whether this watcher started the job, instead of joining a running one.
    pub fn started_job(&self) -> bool {
        self.started_job
    }

    /// Returns the latest progress of the job.
    pub fn progress(&self) -> P {
        self.progress.borrow().clone()
    }

    /// Waits for the next update: progress that this watcher has not received yet, or the outcome. The last progress
    /// comes before the outcome.
    pub async fn next(&mut self) -> Result<Update<P, T>, Abandoned> {
        tokio::select! {
            biased;
            Ok(()) = self.progress.changed() => {
                Ok(Update::Progress(self.progress.borrow_and_update().clone()))
            }
            outcome = self.outcome.wait_for(Option::is_some) => {
                let outcome = outcome.map_err(|_| Abandoned)?.clone();
                outcome.map(Update::Outcome).ok_or(Abandoned)
            }
        }
    }
}

impl<P, T> fmt::Debug for Watcher<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl<K, P, T> TransferMap<K, P, T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, RunningJob<P, T>>> {
        schedule::yield_point();
        // Nothing that can panic runs under this lock.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P, T> RunningJob<P, T> {
    fn watcher(
        &self,
        cancel_on_drop: Arc<CancelOnDrop>,
        priority: Priority,
        started_job: bool,
    ) -> Watcher<P, T> {
        Watcher {
            progress: self.progress.clone(),
            outcome: self.outcome.clone(),
            started_job,
            _priority: self.priorities.add(priority),
            _cancel_on_drop: cancel_on_drop,
        }
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        schedule::yield_point();
        self.0.cancel();
    }
}

impl<K: Eq + Hash, P, T> Drop for MapEntryGuard<K, P, T> {
    fn drop(&mut self) {
        let mut running = self.map.lock();
        // A newer job may have replaced this one in the map already.
        if running
            .get(&self.key)
            .is_some_and(|job| job.outcome.same_channel(&self.outcome))
        {
            running.remove(&self.key);
        }
    }
}

/// Waits until a job has ended, with an outcome or without one.
async fn wait_for_end<T>(mut outcome: watch::Receiver<Option<T>>) {
    while outcome.changed().await.is_ok() {}
}
