//! Leases: content that a pull found present is not deleted until the pull is done (R6), nor is content that is being
//! saved or pushed.
//!
//! Leases live in memory, because only the owner of the store deletes, and they end with the process. Content
//! that only a lease protected is removed by the next deletion or when the store is opened again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use windlass_oci::{DiffId, Digest};

/// Content that can be leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LeasedContent {
    Blob(Digest),
    Layer(DiffId),
}

/// The number of leases of each blob and layer.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<HashMap<LeasedContent, usize>>);

/// Protects one blob or layer from deletion until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    all: Arc<Leases>,
    content: LeasedContent,
}

impl Leases {
    /// Must be called while the database is locked; otherwise a deletion could happen in between.
    pub(crate) fn take(self: &Arc<Self>, content: LeasedContent) -> Lease {
        *self.counts().entry(content).or_default() += 1;
        let all = Arc::clone(self);
        Lease { all, content }
    }

    pub(crate) fn is_leased(&self, content: &LeasedContent) -> bool {
        self.counts().contains_key(content)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<LeasedContent, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        self.all.take(self.content)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        if let Some(count) = counts.get_mut(&self.content) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.content);
            }
        }
    }
}
