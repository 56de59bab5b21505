//! The partial blobs that are worked on in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::ByteRanges;
use super::progress::IngestProgress;

/// Which names in `ingest/` are somebody's, and how far each is.
#[derive(Debug, Default)]
pub(crate) struct ActiveIngests(Mutex<HashMap<String, Weak<IngestProgress>>>);

/// Keeps a name until it is dropped.
#[derive(Debug)]
pub(crate) struct NameClaim {
    live: Arc<ActiveIngests>,
    name: String,
}

/// What the partial blobs had at some moment.
#[derive(Debug)]
pub(crate) struct RangesSnapshot(Vec<(Weak<IngestProgress>, ByteRanges)>);

impl ActiveIngests {
    /// Takes `name` if it is nobody's.
    pub(crate) fn take(self: &Arc<Self>, name: &str) -> Option<NameClaim> {
        let mut names = self.names();
        if names.contains_key(name) {
            return None;
        }
        names.insert(name.to_owned(), Weak::new());
        Some(NameClaim {
            live: Arc::clone(self),
            name: name.to_owned(),
        })
    }

    /// Notes how much there is of each.
    pub(crate) fn moment(&self) -> RangesSnapshot {
        let names = self.names();
        let progress = names.values().filter_map(Weak::upgrade);
        let held =
            |progress: Arc<IngestProgress>| (Arc::downgrade(&progress), progress.held_ranges());
        RangesSnapshot(progress.map(held).collect())
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, Weak<IngestProgress>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NameClaim {
    pub(crate) fn follow(&self, progress: &Arc<IngestProgress>) {
        let mut names = self.live.names();
        names.insert(self.name.clone(), Arc::downgrade(progress));
    }
}

impl RangesSnapshot {
    /// Notes that everything there was then is on the medium now.
    pub(crate) fn mark_safe(self) {
        for (progress, held) in self.0 {
            if let Some(progress) = progress.upgrade() {
                progress.mark_safe(&held);
            }
        }
    }
}

impl Drop for NameClaim {
    fn drop(&mut self) {
        self.live.names().remove(&self.name);
    }
}
