//! Runs a helper once for all lookups that need its result.
//!
//! Invariants:
//! - The helper runs at most once for a flight. The first lookup runs it; the others block until it has ended.
//! - A waiter is a [`Weak`] reference that a lookup holds alive while it waits. When the last waiter is gone, the
//!   helper is killed and the flight is closed: no lookup can join it after that, so none receives its outcome.
//! - Any other outcome is kept, including errors: a helper that times out is not run again.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use windlass_registry::Credentials;

use crate::helper::{HelperError, HelperSettings};

/// The result of a helper.
pub(crate) type HelperOutcome = Result<Option<Credentials>, Arc<HelperError>>;

/// A run of a helper for one host, in progress or complete.
#[derive(Debug)]
pub(crate) struct HelperFlight {
    outcome: OnceLock<HelperOutcome>,
    /// `None` once the flight is closed.
    waiters: Mutex<Option<Vec<Weak<()>>>>,
}

impl HelperFlight {
    pub(crate) fn new() -> Self {
        Self {
            outcome: OnceLock::new(),
            waiters: Mutex::new(Some(Vec::new())),
        }
    }

    /// Adds `waiter` to the waiters. Returns `false` if the flight is closed.
    pub(crate) fn join(&self, waiter: &Weak<()>) -> bool {
        match &mut *self.waiters() {
            Some(waiters) => {
                waiters.retain(|waiter| waiter.strong_count() > 0);
                waiters.push(waiter.clone());
                true
            }
            None => false,
        }
    }

    /// Returns the result of the helper `name` for `host`. Runs the helper if no other lookup has.
    pub(crate) fn outcome(
        &self,
        settings: &HelperSettings,
        name: &str,
        host: &str,
    ) -> HelperOutcome {
        let run = || {
            let helper = settings.find(name)?;
            helper.get_unless_abandoned(host, &|| self.close_if_abandoned())
        };
        self.outcome.get_or_init(|| run().map_err(Arc::new)).clone()
    }

    /// Closes the flight if no waiter is left. Returns whether it is closed.
    fn close_if_abandoned(&self) -> bool {
        let mut waiters = self.waiters();
        let mut alive = waiters.iter().flatten();
        let is_abandoned = !alive.any(|waiter| waiter.strong_count() > 0);
        if is_abandoned {
            *waiters = None;
        }
        is_abandoned
    }

    fn waiters(&self) -> MutexGuard<'_, Option<Vec<Weak<()>>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
