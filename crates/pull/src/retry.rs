//! When to try again, and for how long to wait before.

use std::time::Duration;

use windlass_registry::{NextStep, RegistryError};

/// How often a request is tried, and how long the pauses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts for one blob or manifest without any byte of progress between them (DM-10: 5).
    pub attempts: u32,
    /// The first pause; each further one is twice as long.
    pub first_pause: Duration,
    /// No pause is longer, except where a server asked for one.
    pub longest_pause: Duration,
    /// A server that asks for a longer pause than this is taken at its word: the pull stops and says so.
    pub longest_asked: Duration,
}

/// Counts the attempts at one thing.
#[derive(Debug)]
pub(crate) struct Attempts {
    policy: RetryPolicy,
    failed: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(20),
            longest_asked: Duration::from_secs(300),
        }
    }
}

impl RetryPolicy {
    /// Returns the policy for what a person waits for before anything is seen to happen: manifests,
    /// tags, configs.
    pub(crate) fn for_documents(self) -> Self {
        let attempts = self.attempts.min(3);
        Self {
            attempts,
            first_pause: self.first_pause / 2,
            ..self
        }
    }
}

impl Attempts {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { policy, failed: 0 }
    }

    /// Returns which attempt is under way, from 1.
    pub(crate) fn current(&self) -> u32 {
        self.failed + 1
    }

    /// Forgets the failures: something was achieved since.
    pub(crate) fn progressed(&mut self) {
        self.failed = 0;
    }

    /// Counts a failure; returns how long to pause before the next attempt, or `None` to give up.
    pub(crate) fn pause_after(&mut self, error: &RegistryError) -> Option<Duration> {
        let asked = match error.next_step() {
            NextStep::Retry { after } => after,
            NextStep::NextEndpoint | NextStep::Stop => return None,
        };
        self.failed += 1;
        if self.failed >= self.policy.attempts {
            return None;
        }
        let doubled = self
            .policy
            .first_pause
            .saturating_mul(1 << (self.failed - 1).min(16));
        match asked {
            Some(asked) if asked > self.policy.longest_asked => None,
            Some(asked) => Some(asked),
            None => Some(doubled.min(self.policy.longest_pause)),
        }
    }
}
