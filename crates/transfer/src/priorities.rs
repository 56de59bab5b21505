//! Groups and priorities: what decides which job gets the next free slot.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Identifies the jobs of one pull: slots are shared out fairly among groups, however many jobs each has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferGroup(u64);

/// The priority of one job within a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// The group that waits for the job.
    pub group: TransferGroup,
    /// The position of the job within the group; the lowest goes first.
    pub rank: u32,
}

/// The priorities of one job, one for each of its watchers. Clones share the same list.
#[derive(Clone, Debug, Default)]
pub struct JobPriorities(Arc<Mutex<Vec<Priority>>>);

/// Removes its priority from the list when it is dropped.
#[derive(Debug)]
pub(crate) struct PriorityGuard {
    priorities: JobPriorities,
    priority: Priority,
}

impl TransferGroup {
    /// Returns a new, unique group.
    #[expect(
        clippy::new_without_default,
        reason = "two defaults would not be equal"
    )]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl JobPriorities {
    /// Returns a list that holds only `priority`.
    pub fn single(priority: Priority) -> Self {
        Self(Arc::new(Mutex::new(vec![priority])))
    }

    pub(crate) fn add(&self, priority: Priority) -> PriorityGuard {
        self.lock().push(priority);
        let priorities = self.clone();
        PriorityGuard {
            priorities,
            priority,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<Priority>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PriorityGuard {
    fn drop(&mut self) {
        let mut priorities = self.priorities.lock();
        let position = priorities.iter().position(|it| *it == self.priority);
        if let Some(position) = position {
            priorities.swap_remove(position);
        }
    }
}
