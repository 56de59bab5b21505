//! How many jobs may do the bounded thing at a time, and whose turn it is.
//!
//! # Invariants
//! - No slot is given while as many as the limit are taken, also right after the limit was lowered; raised, it
//!   lets waiting ones in at once (better than TM-9).
//! - A slot that is given is taken or goes on to the next: whoever stops waiting, at whatever moment, loses none.
//! - Whoever waits is served: no party is passed over for ever by others.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::claims::{Claim, Claims, Party};
use crate::schedule;

/// A number of slots, shared by everything that was given a clone of it.
#[derive(Clone, Debug)]
pub struct Slots(Arc<Mutex<Queue>>);

/// A slot that is taken; dropping it gives it back.
#[derive(Debug)]
pub struct Slot {
    slots: Slots,
    /// Whom it counts for.
    parties: Vec<Party>,
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
    served: HashMap<Party, Served>,
    /// Counts the slots that were given.
    turn: u64,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    claims: Claims,
    gate: oneshot::Sender<Slot>,
}

/// What a party has had.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    held: usize,
    /// The turn in which it was given a slot last.
    last: u64,
}

/// A place in the queue, left when it is dropped.
struct Place<'a> {
    slots: &'a Slots,
    ticket: u64,
}

impl Slots {
    /// Makes `count` slots, where 0 means as many as anyone asks for, as in the reference (TM-7).
    pub fn of(count: usize) -> Self {
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
        Self::of(0)
    }

    /// Changes how many there are; 0 is as many as anyone asks for. Those that are taken stay taken.
    pub fn set(&self, count: usize) {
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
    /// The next goes to the party that holds the fewest, of several to the one that was served longest ago; of
    /// its jobs to that of the lowest rank; else first come, first served. Dropping the future is leaving.
    pub async fn take(&self, claims: &Claims) -> Slot {
        let (place, slot) = self.queue_up(claims);
        self.give();
        let slot = slot.await.expect("who waits is not forgotten");
        drop(place);
        slot
    }

    fn queue_up(&self, claims: &Claims) -> (Place<'_>, oneshot::Receiver<Slot>) {
        let (gate, slot) = oneshot::channel();
        let mut queue = self.queue();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        queue.waiting.push(Waiting {
            ticket,
            claims: claims.clone(),
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
            let Some((gate, parties)) = given else { return };
            let slots = self.clone();
            // Not under the lock: one whom nobody waits for any more comes back at once.
            drop(gate.send(Slot { slots, parties }));
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
    fn choose(&mut self) -> Option<(oneshot::Sender<Slot>, Vec<Party>)> {
        if self.limit.is_some_and(|limit| self.taken >= limit.get()) {
            return None;
        }
        let urgency = |waiting: &Waiting| {
            let claims = waiting.claims.all();
            let best = claims.iter().map(|claim| self.urgency(claim)).min();
            // One whom nobody claims is about to leave.
            (best.is_none(), best, waiting.ticket)
        };
        let place = (0..self.waiting.len()).min_by_key(|place| urgency(&self.waiting[*place]))?;
        let Waiting { claims, gate, .. } = self.waiting.remove(place);
        self.taken += 1;
        self.turn += 1;
        let mut parties: Vec<_> = claims.all().iter().map(|claim| claim.party).collect();
        parties.sort_unstable();
        parties.dedup();
        for party in &parties {
            let served = self.served.entry(*party).or_default();
            served.held += 1;
            served.last = self.turn;
        }
        Some((gate, parties))
    }

    fn urgency(&self, claim: &Claim) -> (usize, u64, u32) {
        let Served { held, last } = self.served.get(&claim.party).copied().unwrap_or_default();
        (held, last, claim.rank)
    }

    fn take_back(&mut self, parties: &[Party]) {
        self.taken -= 1;
        for party in parties {
            let Some(served) = self.served.get_mut(party) else {
                continue;
            };
            served.held -= 1;
            if served.held == 0 && !self.is_waiting(*party) {
                self.served.remove(party);
            }
        }
    }

    fn is_waiting(&self, party: Party) -> bool {
        let wants = |waiting: &Waiting| waiting.claims.all().iter().any(|it| it.party == party);
        self.waiting.iter().any(wants)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.queue().take_back(&self.parties);
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
