//! Runs one job per key, shared by all who watch it, a bounded number at a time.
//!
//! Knows nothing about images: a key is anything that can be hashed, the work is a closure, the outcome
//! anything that can be cloned for each watcher.
//!
//! # Invariants
//! - At most one job per key runs at any time (TM-1). Whoever joins while it runs shares it.
//! - A job belongs to its watchers, not to whoever started it: it is told to stop when the last
//!   [`Watcher`] is dropped, and not before (TM-3, TM-4).
//! - A job that was told to stop is over when its work has returned (TM-5). One who joins in between gets
//!   a job of its own, which starts when the old one is over (TM-2).
//! - A late watcher sees the latest progress at once; nobody gets a backlog (TM-6).
//! - Slots are shared out fairly among those who wait for jobs, and given back while a job waits for anything
//!   but the wire (TM-7, TM-8, DM-11). A job is as urgent as the most urgent priority on it.

#[cfg(test)]
mod model;
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

/// The transfers of a process: at most one a key.
///
/// `P` is the progress that a job publishes, `T` its outcome. Cloning gives another handle to the same
/// set.
pub struct Transfers<K, P, T>(Arc<Shared<K, P, T>>);

/// What the work is given: its slots, its progress, and word that nobody waits for it any more.
#[derive(Debug)]
pub struct Job<P> {
    slots: SlotPool,
    priorities: JobPriorities,
    progress: watch::Sender<P>,
    cancelled: CancellationToken,
}

/// An interest in a transfer. Dropping it is leaving; the last to leave stops the job.
pub struct Watcher<P, T> {
    progress: watch::Receiver<P>,
    outcome: watch::Receiver<Option<T>>,
    started_job: bool,
    _priority: PriorityGuard,
    // Dropped last of all its clones: tells the job to stop.
    _interest: Arc<Interest>,
}

/// What a watcher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update<P, T> {
    /// Where the job stands now; places between the last one told and this one are skipped (TM-6).
    Progress(P),
    /// How it ended.
    Outcome(T),
}

/// The job ended without an outcome: its work panicked, or the runtime was shut down under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transfer was abandoned")]
pub struct Abandoned;

struct Shared<K, P, T> {
    slots: SlotPool,
    running: Mutex<HashMap<K, Running<P, T>>>,
    /// Every job holds a receiver until it is over, with all that it left.
    over: watch::Sender<()>,
}

/// A job in the map. It does not count as interest in itself.
struct Running<P, T> {
    progress: watch::Receiver<P>,
    outcome: watch::Receiver<Option<T>>,
    interest: std::sync::Weak<Interest>,
    priorities: JobPriorities,
}

/// Held by every watcher of one job.
#[derive(Debug)]
struct Interest(CancellationToken);

/// Takes the job out of the map when its work is over, however it ended.
struct Place<K: Eq + Hash, P, T> {
    shared: Arc<Shared<K, P, T>>,
    key: K,
    outcome: watch::Receiver<Option<T>>,
}

impl<K, P, T> Transfers<K, P, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    P: Default + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Makes an empty set whose jobs share `slots`.
    pub fn new(slots: SlotPool) -> Self {
        Self(Arc::new(Shared {
            slots,
            running: Mutex::default(),
            over: watch::Sender::new(()),
        }))
    }

    /// Watches the transfer for `key`, starting `work` if none is running. As long as it is watched, `priority` is
    /// one of those that decide when it gets its slot.
    ///
    /// `work` runs as a task of the current tokio runtime. When [`Job::cancelled`] is done it should
    /// return soon, with all that it started ended: only then may another job for the key begin.
    pub fn join<F, W>(&self, key: K, priority: Priority, work: F) -> Watcher<P, T>
    where
        F: FnOnce(Job<P>) -> W + Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let mut running = self.0.lock();
        let before = match running.entry(key.clone()) {
            Entry::Vacant(_) => None,
            Entry::Occupied(entry) => {
                let job = entry.get();
                match job.interest.upgrade() {
                    Some(interest) => return job.watcher(interest, priority, false),
                    // Told to stop, not over yet.
                    None => Some(job.outcome.clone()),
                }
            }
        };

        let (progress, progress_seen) = watch::channel(P::default());
        let (outcome, outcome_seen) = watch::channel(None);
        let cancelled = CancellationToken::new();
        let interest = Arc::new(Interest(cancelled.clone()));
        let priorities = JobPriorities::default();
        let job = Job {
            slots: self.0.slots.clone(),
            priorities: priorities.clone(),
            progress,
            cancelled,
        };
        let listed = Running {
            progress: progress_seen,
            outcome: outcome_seen.clone(),
            interest: Arc::downgrade(&interest),
            priorities,
        };
        let watcher = listed.watcher(interest, priority, true);
        running.insert(key.clone(), listed);
        drop(running);

        let place = Place {
            shared: Arc::clone(&self.0),
            key,
            outcome: outcome_seen,
        };
        let not_over = self.0.over.subscribe();
        schedule::spawn(async move {
            if let Some(before) = before {
                over(before).await;
            }
            let result = work(job).await;
            // Out of the map first: who joins from now on must not be given a job that is over.
            drop(place);
            outcome.send_replace(Some(result));
            // The outcome goes with it, if nobody watches any more.
            drop(outcome);
            drop(not_over);
        });
        watcher
    }
}

impl<K, P, T> Transfers<K, P, T> {
    /// Returns the slots that the jobs share.
    pub fn slots(&self) -> &SlotPool {
        &self.0.slots
    }

    /// Waits until no job runs, cancelled ones included, and the outcomes that nobody waits for are dropped.
    ///
    /// Jobs that are started meanwhile are waited for as well.
    pub async fn idle(&self) {
        self.0.over.closed().await;
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
    /// Waits for a slot and takes it; dropping it gives it back.
    pub async fn acquire_slot(&self) -> Slot {
        self.slots.take(&self.priorities).await
    }

    /// Returns whether other jobs wait for a slot.
    pub fn has_slot_waiters(&self) -> bool {
        self.slots.queued() > 0
    }

    /// Returns the priorities of all who wait for this job.
    pub fn priorities(&self) -> &JobPriorities {
        &self.priorities
    }

    /// Changes where the job stands; watchers see the latest.
    pub fn publish(&self, change: impl FnOnce(&mut P)) {
        self.progress.send_modify(change);
    }

    /// Is done as soon as nobody watches any more.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Returns whether nobody watches any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
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

    /// Returns whether the job was started for this watcher, rather than joined by it.
    pub fn started_job(&self) -> bool {
        self.started_job
    }

    /// Returns where the job stands.
    pub fn progress(&self) -> P {
        self.progress.borrow().clone()
    }

    /// Waits for what comes next: that the job stands elsewhere than this watcher last saw, or the
    /// outcome. The last progress comes before the outcome.
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

impl<K, P, T> Shared<K, P, T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Running<P, T>>> {
        schedule::point();
        // Nothing that can panic runs under this lock.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P, T> Running<P, T> {
    fn watcher(
        &self,
        interest: Arc<Interest>,
        priority: Priority,
        started_job: bool,
    ) -> Watcher<P, T> {
        Watcher {
            progress: self.progress.clone(),
            outcome: self.outcome.clone(),
            started_job,
            _priority: self.priorities.add(priority),
            _interest: interest,
        }
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        schedule::point();
        self.0.cancel();
    }
}

impl<K: Eq + Hash, P, T> Drop for Place<K, P, T> {
    fn drop(&mut self) {
        let mut running = self.shared.lock();
        // A newer job may have taken the key over while this one was ending.
        if running
            .get(&self.key)
            .is_some_and(|job| job.outcome.same_channel(&self.outcome))
        {
            running.remove(&self.key);
        }
    }
}

/// Waits until a job has ended, with an outcome or without.
async fn over<T>(mut outcome: watch::Receiver<Option<T>>) {
    while outcome.changed().await.is_ok() {}
}
