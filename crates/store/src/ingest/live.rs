//! The partial blobs that are worked on in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Ranges;
use super::progress::Progress;

/// Which names in `ingest/` are somebody's, and how far each is.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<HashMap<String, Weak<Progress>>>);

/// Keeps a name until it is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    live: Arc<Live>,
    name: String,
}

/// What the partial blobs had at some moment.
#[derive(Debug)]
pub(crate) struct Moment(Vec<(Weak<Progress>, Ranges)>);

impl Live {
    /// Takes `name` if it is nobody's.
    pub(crate) fn take(self: &Arc<Self>, name: &str) -> Option<Taken> {
        let mut names = self.names();
        if names.contains_key(name) {
            return None;
        }
        names.insert(name.to_owned(), Weak::new());
        Some(Taken {
            live: Arc::clone(self),
            name: name.to_owned(),
        })
    }

    /// Notes how much there is of each.
    pub(crate) fn moment(&self) -> Moment {
        let names = self.names();
        let progress = names.values().filter_map(Weak::upgrade);
        let held = |progress: Arc<Progress>| (Arc::downgrade(&progress), progress.held_ranges());
        Moment(progress.map(held).collect())
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, Weak<Progress>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    pub(crate) fn follow(&self, progress: &Arc<Progress>) {
        let mut names = self.live.names();
        names.insert(self.name.clone(), Arc::downgrade(progress));
    }
}

impl Moment {
    /// Notes that everything there was then is on the medium now.
    pub(crate) fn became_safe(self) {
        for (progress, held) in self.0 {
            if let Some(progress) = progress.upgrade() {
                progress.is_safe(&held);
            }
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.live.names().remove(&self.name);
    }
}
