//! One question to a helper, asked once for all who want to know the answer.
//!
//! Invariants:
//! - The helper is run at most once for a flight, by whoever comes first; the others block until it is done.
//! - An asker is a [`Weak`] that lives as long as somebody waits for it. When the last one is gone the helper
//!   is ended, and the flight is closed: nobody joins it after that, and so nobody gets its outcome.
//! - Any other outcome stays, an error as well: a helper that hangs is waited for once.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use windlass_registry::Credentials;

use crate::helper::{HelperError, HelperSettings};

/// What a helper said.
pub(crate) type Outcome = Result<Option<Credentials>, Arc<HelperError>>;

/// A question that is being asked or was answered.
#[derive(Debug)]
pub(crate) struct Flight {
    outcome: OnceLock<Outcome>,
    /// `None` once it is closed.
    askers: Mutex<Option<Vec<Weak<()>>>>,
}

impl Flight {
    pub(crate) fn new() -> Self {
        Self {
            outcome: OnceLock::new(),
            askers: Mutex::new(Some(Vec::new())),
        }
    }

    /// Has `asker` counted among those who wait; `false` if the flight is closed.
    pub(crate) fn join(&self, asker: &Weak<()>) -> bool {
        match &mut *self.askers() {
            Some(askers) => {
                askers.retain(|asker| asker.strong_count() > 0);
                askers.push(asker.clone());
                true
            }
            None => false,
        }
    }

    /// Returns what the helper called `name` says about `host`, asking it if nobody has.
    pub(crate) fn outcome(&self, helpers: &HelperSettings, name: &str, host: &str) -> Outcome {
        let ask = || {
            let helper = helpers.find(name)?;
            helper.get_while(host, &|| self.close_if_abandoned())
        };
        self.outcome.get_or_init(|| ask().map_err(Arc::new)).clone()
    }

    fn close_if_abandoned(&self) -> bool {
        let mut askers = self.askers();
        let waiting = askers.iter().flatten();
        let is_abandoned = waiting.filter(|asker| asker.strong_count() > 0).count() == 0;
        if is_abandoned {
            *askers = None;
        }
        is_abandoned
    }

    fn askers(&self) -> MutexGuard<'_, Option<Vec<Weak<()>>>> {
        self.askers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
