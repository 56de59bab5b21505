//! A fair semaphore: bounds how many jobs run at a time and decides which job is next.
//!
//! # Invariants
//! - No slot is granted while the limit is reached, also right after the limit was lowered. Raising the limit admits
//!   waiting jobs at once (better than TM-9).
//! - A granted slot is either received or passed on to the next job: a job that stops waiting, at whatever moment,
//!   loses no slot.
//! - No group starves: every waiting job gets a slot eventually.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::priorities::{JobPriorities, Priority, TransferGroup};
use crate::schedule;

/// A number of slots. Clones share the same slots.
#[derive(Clone, Debug)]
pub struct SlotPool(Arc<Mutex<SlotQueue>>);

/// A slot in use; dropping it returns it to its pool.
#[derive(Debug)]
pub struct Slot {
    pool: SlotPool,
    /// The groups that the slot is charged to.
    groups: Vec<TransferGroup>,
}

#[derive(Debug)]
struct SlotQueue {
    /// `None` for no limit.
    limit: Option<NonZeroUsize>,
    in_use: usize,
    /// In order of arrival.
    waiting: Vec<QueuedJob>,
    next_ticket: u64,
    /// The groups that hold slots, and those that held some and wait for more.
    usage: HashMap<TransferGroup, GroupUsage>,
    /// The number of slots granted so far.
    grants: u64,
}

#[derive(Debug)]
struct QueuedJob {
    ticket: u64,
    priorities: JobPriorities,
    sender: oneshot::Sender<Slot>,
}

/// The slots that a group holds, and when it got the last one.
#[derive(Clone, Copy, Debug, Default)]
struct GroupUsage {
    held: usize,
    /// The value of [`SlotQueue::grants`] at the group's last grant.
    last_grant: u64,
}

/// Removes a job from the queue when it is dropped.
struct QueueGuard<'a> {
    pool: &'a SlotPool,
    ticket: u64,
}

impl SlotPool {
    /// Creates a pool of `count` slots; 0 means no limit, as in Docker (TM-7).
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(SlotQueue {
            limit: NonZeroUsize::new(count),
            in_use: 0,
            waiting: Vec::new(),
            next_ticket: 0,
            usage: HashMap::new(),
            grants: 0,
        })))
    }

    /// Creates a pool without a limit.
    pub fn unlimited() -> Self {
        Self::new(0)
    }

    /// Changes the number of slots; 0 means no limit. Slots in use stay in use.
    pub fn set_limit(&self, count: usize) {
        self.lock().limit = NonZeroUsize::new(count);
        self.grant_free_slots();
    }

    /// Returns the number of slots; 0 means no limit.
    pub fn limit(&self) -> usize {
        self.lock().limit.map_or(0, NonZeroUsize::get)
    }

    /// Returns the number of slots in use.
    pub fn in_use(&self) -> usize {
        self.lock().in_use
    }

    /// Returns the number of jobs that wait for a slot.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Waits for a slot.
    ///
    /// The next slot goes to the group that holds the fewest; among several, to the one whose last grant is the
    /// oldest; within a group, to the job of the lowest rank; then in order of arrival. Dropping the future leaves
    /// the queue.
    pub async fn acquire(&self, priorities: &JobPriorities) -> Slot {
        let (guard, slot) = self.enqueue(priorities);
        self.grant_free_slots();
        let slot = slot.await.expect("a queued job is not dropped");
        drop(guard);
        slot
    }

    fn enqueue(&self, priorities: &JobPriorities) -> (QueueGuard<'_>, oneshot::Receiver<Slot>) {
        let (sender, slot) = oneshot::channel();
        let mut queue = self.lock();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.waiting.push(QueuedJob {
            ticket,
            priorities: priorities.clone(),
            sender,
        });
        (QueueGuard { pool: self, ticket }, slot)
    }

    fn grant_free_slots(&self) {
        loop {
            let granted = self.lock().grant_next();
            let Some((sender, groups)) = granted else {
                return;
            };
            let pool = self.clone();
            // Not under the lock: if the receiver is gone, the slot is dropped here, and that takes the lock.
            drop(sender.send(Slot { pool, groups }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, SlotQueue> {
        schedule::yield_point();
        // Nothing that can panic half way through a change runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotQueue {
    /// Takes the next job out of the queue and charges it a slot, if one is free.
    fn grant_next(&mut self) -> Option<(oneshot::Sender<Slot>, Vec<TransferGroup>)> {
        if self.limit.is_some_and(|limit| self.in_use >= limit.get()) {
            return None;
        }
        let order = |job: &QueuedJob| {
            let priorities = job.priorities.lock();
            let best = priorities.iter().map(|it| self.order(it)).min();
            // A job without a priority has no watcher left and is about to leave the queue: it goes last.
            (best.is_none(), best, job.ticket)
        };
        let position =
            (0..self.waiting.len()).min_by_key(|position| order(&self.waiting[*position]))?;
        let QueuedJob {
            priorities, sender, ..
        } = self.waiting.remove(position);
        self.in_use += 1;
        self.grants += 1;
        let mut groups: Vec<_> = priorities.lock().iter().map(|it| it.group).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in &groups {
            let usage = self.usage.entry(*group).or_default();
            usage.held += 1;
            usage.last_grant = self.grants;
        }
        Some((sender, groups))
    }

    /// The sort key of a priority: the smallest is granted a slot first.
    fn order(&self, priority: &Priority) -> (usize, u64, u32) {
        let usage = self.usage.get(&priority.group);
        let GroupUsage { held, last_grant } = usage.copied().unwrap_or_default();
        (held, last_grant, priority.rank)
    }

    fn release(&mut self, groups: &[TransferGroup]) {
        self.in_use -= 1;
        for group in groups {
            let Some(usage) = self.usage.get_mut(group) else {
                continue;
            };
            usage.held -= 1;
            if usage.held == 0 && !self.is_waiting(*group) {
                self.usage.remove(group);
            }
        }
    }

    fn is_waiting(&self, group: TransferGroup) -> bool {
        let is_of_group =
            |job: &QueuedJob| job.priorities.lock().iter().any(|it| it.group == group);
        self.waiting.iter().any(is_of_group)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pool.lock().release(&self.groups);
        self.pool.grant_free_slots();
    }
}

impl Drop for QueueGuard<'_> {
    fn drop(&mut self) {
        let mut queue = self.pool.lock();
        queue.waiting.retain(|job| job.ticket != self.ticket);
    }
}
