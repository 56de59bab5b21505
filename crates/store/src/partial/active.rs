//! The partial blobs that this process is writing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::progress::IngestProgress;
use super::ranges::ByteRanges;

/// The names in `ingest/` that are in use, with the progress of each.
#[derive(Debug, Default)]
pub(crate) struct ActiveIngests(Mutex<HashMap<String, Weak<IngestProgress>>>);

/// Reserves a name until it is dropped.
#[derive(Debug)]
pub(crate) struct NameClaim {
    ingests: Arc<ActiveIngests>,
    name: String,
}

/// The ranges that were in the files at one moment.
#[derive(Debug)]
pub(crate) struct RangesSnapshot(Vec<(Weak<IngestProgress>, ByteRanges)>);

impl ActiveIngests {
    /// Reserves `name` if it is not in use.
    pub(crate) fn claim(self: &Arc<Self>, name: &str) -> Option<NameClaim> {
        let mut names = self.names();
        if names.contains_key(name) {
            return None;
        }
        names.insert(name.to_owned(), Weak::new());
        Some(NameClaim {
            ingests: Arc::clone(self),
            name: name.to_owned(),
        })
    }

    /// Returns the ranges that are in each file now.
    pub(crate) fn snapshot(&self) -> RangesSnapshot {
        let names = self.names();
        let progress = names.values().filter_map(Weak::upgrade);
        let ranges =
            |progress: Arc<IngestProgress>| (Arc::downgrade(&progress), progress.stored_ranges());
        RangesSnapshot(progress.map(ranges).collect())
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, Weak<IngestProgress>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NameClaim {
    pub(crate) fn attach(&self, progress: &Arc<IngestProgress>) {
        let mut names = self.ingests.names();
        names.insert(self.name.clone(), Arc::downgrade(progress));
    }
}

impl RangesSnapshot {
    /// Records that these ranges are on the medium now.
    pub(crate) fn mark_durable(self) {
        for (progress, ranges) in self.0 {
            if let Some(progress) = progress.upgrade() {
                progress.mark_durable(&ranges);
            }
        }
    }
}

impl Drop for NameClaim {
    fn drop(&mut self) {
        self.ingests.names().remove(&self.name);
    }
}
