//! Holds responses until a test releases them, so that no test needs to sleep.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

/// The time that a test waits for requests before it fails.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// A gate that holds responses until [`open`](Self::open) is called.
///
/// If it is never opened, the held requests end with their client or the registry.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<GateInner>);

#[derive(Debug, Default)]
struct GateInner {
    state: Mutex<GateState>,
    arrived: Condvar,
    changed: Notify,
}

#[derive(Debug, Default)]
struct GateState {
    arrivals: usize,
    open: bool,
}

impl Gate {
    /// Creates a closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Releases all held responses, and all later ones.
    pub fn open(&self) {
        self.change(|state| state.open = true);
    }

    /// Returns the number of responses that have reached the gate.
    pub fn arrivals(&self) -> usize {
        self.state().arrivals
    }

    /// Blocks until `count` responses have reached the gate. For tests without a runtime.
    ///
    /// # Panics
    /// After 30 seconds.
    pub fn wait_for(&self, count: usize) {
        let (state, timeout) = self
            .0
            .arrived
            .wait_timeout_while(self.state(), WAIT_LIMIT, |state| state.arrivals < count)
            .expect("no thread panics with the gate locked");
        assert!(
            !timeout.timed_out(),
            "{} of {count} responses reached the gate",
            state.arrivals
        );
    }

    /// Waits until `count` responses have reached the gate. For async tests.
    ///
    /// # Panics
    /// After 30 seconds.
    pub async fn reached(&self, count: usize) {
        let reached = tokio::time::timeout(WAIT_LIMIT, self.until(|state| state.arrivals >= count));
        assert!(
            reached.await.is_ok(),
            "{} of {count} responses reached the gate",
            self.arrivals()
        );
    }

    /// Registers at the gate and waits until it is open.
    pub(super) async fn pass(&self) {
        self.change(|state| state.arrivals += 1);
        self.until(|state| state.open).await;
    }

    async fn until(&self, condition: impl Fn(&GateState) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // Subscribed before the check, so that no change is missed in between.
            changed.as_mut().enable();
            if condition(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.state());
        self.0.arrived.notify_all();
        self.0.changed.notify_waiters();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, GateState> {
        self.0
            .state
            .lock()
            .expect("no thread panics with the gate locked")
    }
}
