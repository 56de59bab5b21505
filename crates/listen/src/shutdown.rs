//! The signal by which a server stops, in two steps: drain, then cut.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Stops the parts of a server. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<ShutdownState>);

#[derive(Debug, Default)]
struct ShutdownState {
    draining: CancellationToken,
    cut: CancellationToken,
    /// Set once, before `draining` is cancelled.
    deadline: OnceLock<Instant>,
}

impl Shutdown {
    /// Begins to shut down: requests in progress may finish within `drain`. Later calls have no effect.
    pub fn begin(&self, drain: Duration) {
        self.0.deadline.get_or_init(|| Instant::now() + drain);
        self.0.draining.cancel();
    }

    /// Cancels everything that still runs.
    pub fn cut(&self) {
        self.0.deadline.get_or_init(Instant::now);
        self.0.draining.cancel();
        self.0.cut.cancel();
    }

    /// Returns a guard that cancels everything that still runs when it is dropped.
    pub fn cut_on_drop(&self) -> DropGuard {
        self.0.cut.clone().drop_guard()
    }

    /// Waits until the shutdown begins.
    pub async fn begun(&self) {
        self.0.draining.cancelled().await;
    }

    /// Waits until what still runs is to be cancelled.
    pub async fn cut_requested(&self) {
        self.0.cut.cancelled().await;
    }

    /// Returns until when requests in progress may finish; now if the shutdown has not begun.
    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline.get().copied().unwrap_or_else(Instant::now)
    }
}
