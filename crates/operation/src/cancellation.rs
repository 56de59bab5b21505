//! Cancelling work, and the point from which on it cannot be cancelled.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

/// The work may be cancelled.
const RUNNING: u8 = 0;
/// The work is cancelled and will not commit.
const CANCELLED: u8 = 1;
/// The work commits and will not be cancelled.
const COMMITTING: u8 = 2;

/// Cancels work, unless that commits already. Clones are of the same work.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<Phase>);

#[derive(Debug, Default)]
struct Phase {
    phase: AtomicU8,
    /// Cancelled with the phase, for work that awaits.
    token: CancellationToken,
}

/// The work was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl Cancellation {
    /// Cancels the work. Has no effect once it commits.
    pub fn cancel(&self) {
        if self.0.move_to(CANCELLED) {
            self.0.token.cancel();
        }
    }

    /// Returns whether the work is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.phase.load(Ordering::Acquire) == CANCELLED
    }

    /// Fails if the work is cancelled.
    pub fn check(&self) -> Result<(), Cancelled> {
        match self.is_cancelled() {
            true => Err(Cancelled),
            false => Ok(()),
        }
    }

    /// Rules out a cancellation from here on; fails if there was one. Work calls this right before the step that makes
    /// its result visible.
    pub fn begin_commit(&self) -> Result<(), Cancelled> {
        self.0.move_to(COMMITTING);
        self.check()
    }

    /// Waits until the work is cancelled.
    pub async fn cancelled(&self) {
        self.0.token.cancelled().await;
    }
}

impl Phase {
    /// Leaves the running phase; returns whether it was in that.
    fn move_to(&self, phase: u8) -> bool {
        let moved =
            self.phase
                .compare_exchange(RUNNING, phase, Ordering::AcqRel, Ordering::Acquire);
        moved.is_ok()
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl Error for Cancelled {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancellation_and_a_commit_exclude_each_other() {
        let cancelled = Cancellation::default();
        cancelled.cancel();
        assert_eq!(cancelled.begin_commit(), Err(Cancelled));
        assert!(cancelled.is_cancelled());

        let committing = Cancellation::default();
        assert_eq!(committing.begin_commit(), Ok(()));
        committing.cancel();
        assert!(!committing.is_cancelled());
        assert_eq!(committing.begin_commit(), Ok(()));
    }
}
