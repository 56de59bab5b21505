//! Who wants a job done, and how badly.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One of those among whom slots are shared out fairly: a pull, whatever number of jobs it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party(u64);

/// A party's wish for one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose wish it is.
    pub party: Party,
    /// Its place among the party's wishes, the lowest first.
    pub rank: u32,
}

/// The wishes of all who wait for one job. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct Claims(Arc<Mutex<Vec<Claim>>>);

/// A claim that is held on to; dropped, it is one of the [`Claims`] no more.
#[derive(Debug)]
pub(crate) struct Claimed {
    claims: Claims,
    claim: Claim,
}

impl Party {
    /// Returns one that there was not before.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Claims {
    /// Returns the wish of one alone.
    pub fn of(claim: Claim) -> Self {
        Self(Arc::new(Mutex::new(vec![claim])))
    }

    pub(crate) fn add(&self, claim: Claim) -> Claimed {
        self.all().push(claim);
        let claims = self.clone();
        Claimed { claims, claim }
    }

    pub(crate) fn all(&self) -> MutexGuard<'_, Vec<Claim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut all = self.claims.all();
        if let Some(place) = all.iter().position(|claim| *claim == self.claim) {
            all.swap_remove(place);
        }
    }
}
