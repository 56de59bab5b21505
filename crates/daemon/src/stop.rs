//! How the daemon ends: first nobody new is let in, then nobody is waited for any more.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Tells the daemon to stop. Clones are the same.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<Phase>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// What runs may end until then.
    Draining(Instant),
    /// What runs is left.
    Cut,
}

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }
}

impl Stop {
    /// Stops it. What runs may end, within `drain`. Does nothing if it is stopped already.
    pub fn within(&self, drain: Duration) {
        let deadline = Instant::now() + drain;
        self.0.send_if_modified(|phase| {
            let is_news = *phase == Phase::Serving;
            if is_news {
                *phase = Phase::Draining(deadline);
            }
            is_news
        });
    }

    /// Leaves what still runs.
    pub(crate) fn cut(&self) {
        self.0.send_replace(Phase::Cut);
    }

    /// Waits until nobody new is to be let in.
    pub async fn came(&self) {
        self.wait(|phase| *phase != Phase::Serving).await;
    }

    /// Waits until what runs is to be left.
    pub(crate) async fn is_cut(&self) {
        self.wait(|phase| *phase == Phase::Cut).await;
    }

    /// Returns until when what runs may end.
    pub(crate) fn deadline(&self) -> Instant {
        match *self.0.borrow() {
            Phase::Draining(deadline) => deadline,
            Phase::Serving | Phase::Cut => Instant::now(),
        }
    }

    async fn wait(&self, until: impl FnMut(&Phase) -> bool) {
        let mut phase = self.0.subscribe();
        // The sender is here: it does not go.
        drop(phase.wait_for(until).await);
    }
}
