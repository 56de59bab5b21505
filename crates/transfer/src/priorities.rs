//! Who wants a job done, and how badly.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One of those among whom slots are shared out fairly: a pull, whatever number of jobs it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferGroup(u64);

/// A group's wish for one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// Whose wish it is.
    pub group: TransferGroup,
    /// Its place among the group's wishes, the lowest first.
    pub rank: u32,
}

/// The wishes of all who wait for one job. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct JobPriorities(Arc<Mutex<Vec<Priority>>>);

/// A priority that is held on to; dropped, it is one of the [`JobPriorities`] no more.
#[derive(Debug)]
pub(crate) struct PriorityGuard {
    priorities: JobPriorities,
    priority: Priority,
}

impl TransferGroup {
    /// Returns one that there was not before.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl JobPriorities {
    /// Returns the wish of one alone.
    pub fn single(priority: Priority) -> Self {
        Self(Arc::new(Mutex::new(vec![priority])))
    }

    pub(crate) fn add(&self, priority: Priority) -> PriorityGuard {
        self.all().push(priority);
        let priorities = self.clone();
        PriorityGuard {
            priorities,
            priority,
        }
    }

    pub(crate) fn all(&self) -> MutexGuard<'_, Vec<Priority>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PriorityGuard {
    fn drop(&mut self) {
        let mut all = self.priorities.all();
        if let Some(place) = all.iter().position(|priority| *priority == self.priority) {
            all.swap_remove(place);
        }
    }
}
