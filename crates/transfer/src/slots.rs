//! How many jobs may do the bounded thing at a time, and whose turn it is.
//!
//! # Invariants
//! - No slot is given while as many as the limit are taken, also right after the limit was lowered; raised, it
//!   lets waiting ones in at once (better than TM-9).
//! - A slot that is given is taken or goes on to the next: whoever stops waiting, at whatever moment, loses none.
//! - Whoever waits is served: no group is passed over for ever by others.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::priorities::{JobPriorities, Priority, TransferGroup};
use crate::schedule;

/// A number of slots, shared by everything that was given a clone of it.
#[derive(Clone, Debug)]
pub struct SlotPool(Arc<Mutex<Queue>>);

/// A slot that is taken; dropping it gives it back.
#[derive(Debug)]
pub struct Slot {
    slots: SlotPool,
    /// Whom it counts for.
    groups: Vec<TransferGroup>,
}

#[derive(Debug)]
struct Queue {
    /// `None` for as many as anyone asks for.
    limit: Option<NonZeroUsize>,
    taken: usize,
    /// In the order of asking.
    waiting: Vec<Waiting>,
    next_ticket: u64,
    /// Those that hold slots or held some lately.
    served: HashMap<TransferGroup, Served>,
    /// Counts the slots that were given.
    turn: u64,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    priorities: JobPriorities,
    gate: oneshot::Sender<Slot>,
}

/// What a group has had.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    held: usize,
    /// The turn in which it was given a slot last.
    last: u64,
}

/// A place in the queue, left when it is dropped.
struct Place<'a> {
    slots: &'a SlotPool,
    ticket: u64,
}

impl SlotPool {
    /// Makes `count` slots, where 0 means as many as anyone asks for, as in the reference (TM-7).
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            limit: NonZeroUsize::new(count),
            taken: 0,
            waiting: Vec::new(),
            next_ticket: 0,
            served: HashMap::new(),
            turn: 0,
        })))
    }

    /// Makes as many slots as anyone asks for.
    pub fn unlimited() -> Self {
        Self::new(0)
    }

    /// Changes how many there are; 0 is as many as anyone asks for. Those that are taken stay taken.
    pub fn set_limit(&self, count: usize) {
        self.queue().limit = NonZeroUsize::new(count);
        self.give();
    }

    /// Returns how many there are; 0 for as many as anyone asks for.
    pub fn limit(&self) -> usize {
        self.queue().limit.map_or(0, NonZeroUsize::get)
    }

    /// Returns how many are taken.
    pub fn taken(&self) -> usize {
        self.queue().taken
    }

    /// Returns how many are waited for.
    pub fn queued(&self) -> usize {
        self.queue().waiting.len()
    }

    /// Waits for a slot and takes it.
    ///
    /// The next goes to the group that holds the fewest, of several to the one that was served longest ago; of
    /// its jobs to that of the lowest rank; else first come, first served. Dropping the future is leaving.
    pub async fn take(&self, priorities: &JobPriorities) -> Slot {
        let (place, slot) = self.queue_up(priorities);
        self.give();
        let slot = slot.await.expect("who waits is not forgotten");
        drop(place);
        slot
    }

    fn queue_up(&self, priorities: &JobPriorities) -> (Place<'_>, oneshot::Receiver<Slot>) {
        let (gate, slot) = oneshot::channel();
        let mut queue = self.queue();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.waiting.push(Waiting {
            ticket,
            priorities: priorities.clone(),
            gate,
        });
        (
            Place {
                slots: self,
                ticket,
            },
            slot,
        )
    }

    /// Gives out what can be given.
    fn give(&self) {
        loop {
            let given = self.queue().choose();
            let Some((gate, groups)) = given else { return };
            let slots = self.clone();
            // Not under the lock: one whom nobody waits for any more comes back at once.
            drop(gate.send(Slot { slots, groups }));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        schedule::point();
        // Nothing that can panic half way through a change runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Takes a slot for who comes next, if there is one to be had.
    fn choose(&mut self) -> Option<(oneshot::Sender<Slot>, Vec<TransferGroup>)> {
        if self.limit.is_some_and(|limit| self.taken >= limit.get()) {
            return None;
        }
        let urgency = |waiting: &Waiting| {
            let priorities = waiting.priorities.all();
            let best = priorities
                .iter()
                .map(|priority| self.urgency(priority))
                .min();
            // One whom nobody priorities is about to leave.
            (best.is_none(), best, waiting.ticket)
        };
        let place = (0..self.waiting.len()).min_by_key(|place| urgency(&self.waiting[*place]))?;
        let Waiting {
            priorities, gate, ..
        } = self.waiting.remove(place);
        self.taken += 1;
        self.turn += 1;
        let mut groups: Vec<_> = priorities
            .all()
            .iter()
            .map(|priority| priority.group)
            .collect();
        groups.sort_unstable();
        groups.dedup();
        for group in &groups {
            let served = self.served.entry(*group).or_default();
            served.held += 1;
            served.last = self.turn;
        }
        Some((gate, groups))
    }

    fn urgency(&self, priority: &Priority) -> (usize, u64, u32) {
        let Served { held, last } = self
            .served
            .get(&priority.group)
            .copied()
            .unwrap_or_default();
        (held, last, priority.rank)
    }

    fn take_back(&mut self, groups: &[TransferGroup]) {
        self.taken -= 1;
        for group in groups {
            let Some(served) = self.served.get_mut(group) else {
                continue;
            };
            served.held -= 1;
            if served.held == 0 && !self.is_waiting(*group) {
                self.served.remove(group);
            }
        }
    }

    fn is_waiting(&self, group: TransferGroup) -> bool {
        let wants = |waiting: &Waiting| waiting.priorities.all().iter().any(|it| it.group == group);
        self.waiting.iter().any(wants)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.queue().take_back(&self.groups);
        self.slots.give();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = self.slots.queue();
        queue
            .waiting
            .retain(|waiting| waiting.ticket != self.ticket);
    }
}
