//! How many jobs may do the bounded thing at a time.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of slots, shared by everything that was given a clone of it.
#[derive(Clone, Debug)]
pub struct Slots(Option<Arc<Semaphore>>);

/// A slot that is taken; dropping it gives it back.
#[derive(Debug)]
pub struct Slot(#[expect(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>);

impl Slots {
    /// Makes `count` slots.
    pub fn limited(count: NonZeroUsize) -> Self {
        Self(Some(Arc::new(Semaphore::new(
            count.get().min(Semaphore::MAX_PERMITS),
        ))))
    }

    /// Makes as many slots as anyone asks for.
    pub fn unlimited() -> Self {
        Self(None)
    }

    /// Makes `count` slots, where 0 means as many as anyone asks for, as in the reference (TM-7).
    pub fn of(count: usize) -> Self {
        NonZeroUsize::new(count).map_or_else(Self::unlimited, Self::limited)
    }

    /// Waits for a slot, first come, first served.
    pub async fn take(&self) -> Slot {
        match &self.0 {
            None => Slot(None),
            Some(slots) => {
                let slot = Arc::clone(slots).acquire_owned().await;
                Slot(Some(slot.expect("the semaphore is never closed")))
            }
        }
    }
}
