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
    /// No pause is longer, except where a server requested one.
    pub longest_pause: Duration,
    /// The pull fails if a server requests a longer pause than this.
    pub longest_requested_pause: Duration,
    /// How much longer a pause may be than it would be, in percent: by chance, so that not all come back at once.
    pub jitter: u32,
}

/// Counts the attempts at one thing.
#[derive(Debug)]
pub struct Attempts {
    policy: RetryPolicy,
    failed: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(20),
            longest_requested_pause: Duration::from_secs(300),
            jitter: 25,
        }
    }
}

impl RetryPolicy {
    /// Returns the policy for manifests, tags and configs, which a user waits for before any progress is visible.
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
    /// Begins to count.
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, failed: 0 }
    }

    /// Returns which attempt is under way, from 1.
    pub(crate) fn current(&self) -> u32 {
        self.failed + 1
    }

    /// Forgets the failures: something was achieved since.
    pub fn progressed(&mut self) {
        self.failed = 0;
    }

    /// Begins to count anew, for another endpoint.
    pub(crate) fn start_over(&mut self) {
        self.failed = 0;
    }

    /// Counts a failure; returns how long to pause before the next attempt, or `None` to give up.
    pub fn pause_after(&mut self, error: &RegistryError) -> Option<Duration> {
        let requested = match error.next_step() {
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
        match requested {
            Some(requested) if requested > self.policy.longest_requested_pause => None,
            Some(requested) => Some(self.jittered(requested)),
            None => Some(self.jittered(doubled.min(self.policy.longest_pause))),
        }
    }
}

impl Attempts {
    /// Returns `pause` or longer, never shorter.
    fn jittered(&self, pause: Duration) -> Duration {
        match self.policy.jitter {
            0 => pause,
            most => pause.saturating_add(pause.saturating_mul(fastrand::u32(..=most)) / 100),
        }
    }
}

#[cfg(test)]
mod tests {
    use windlass_registry::{Origin, RequestContext, RequestKind};

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 5,
        first_pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(5),
        longest_requested_pause: Duration::from_secs(60),
        jitter: 0,
    };

    fn context() -> Box<RequestContext> {
        Box::new(RequestContext {
            origin: Origin::parse("https://registry.test").unwrap(),
            repository: "app".to_owned(),
            kind: RequestKind::Ping,
        })
    }

    fn busy(retry_after: Option<u64>) -> RegistryError {
        RegistryError::TooManyRequests {
            context: context(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn pauses(policy: RetryPolicy, error: &RegistryError) -> Vec<u64> {
        let mut attempts = Attempts::new(policy);
        std::iter::from_fn(|| attempts.pause_after(error))
            .map(|pause| pause.as_secs())
            .collect()
    }

    /// DM-10.
    #[test]
    fn pauses_double_up_to_a_limit() {
        assert_eq!(pauses(POLICY, &busy(None)), [1, 2, 4, 5]);
    }

    /// Even where the pauses could not be counted any more.
    #[test]
    fn many_attempts_do_not_overflow() {
        let policy = RetryPolicy {
            attempts: 100,
            first_pause: Duration::MAX,
            longest_pause: Duration::from_secs(5),
            ..POLICY
        };
        assert_eq!(pauses(policy, &busy(None)), [5; 99]);
    }

    #[test]
    fn a_server_is_taken_at_its_word_or_left() {
        assert_eq!(pauses(POLICY, &busy(Some(60))), [60; 4]);
        assert_eq!(pauses(POLICY, &busy(Some(0))), [0; 4]);
        assert_eq!(pauses(POLICY, &busy(Some(61))), [0; 0]);
    }

    /// T34: up to a quarter longer, never shorter, and not always the same.
    #[test]
    fn pauses_differ_a_little() {
        let policy = RetryPolicy {
            jitter: 25,
            ..POLICY
        };
        let second = |error: &RegistryError| Attempts::new(policy).pause_after(error).unwrap();
        let pauses: Vec<_> = (0..200).map(|_| second(&busy(None))).collect();
        let range = Duration::from_secs(1)..=Duration::from_millis(1250);
        assert!(
            pauses.iter().all(|pause| range.contains(pause)),
            "{pauses:?}"
        );
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        assert!(second(&busy(Some(10))) >= Duration::from_secs(10));
    }

    #[test]
    fn a_no_is_not_tried_again() {
        let unknown = RegistryError::BlobUnknown { context: context() };
        assert_eq!(pauses(POLICY, &unknown), [0; 0]);
    }

    /// One attempt is made in any case.
    #[test]
    fn one_attempt_or_none_means_no_second() {
        for attempts in [0, 1] {
            let policy = RetryPolicy { attempts, ..POLICY };
            assert_eq!(pauses(policy, &busy(None)), [0; 0]);
        }
    }

    #[test]
    fn progress_makes_failures_forgotten() {
        let mut attempts = Attempts::new(POLICY);
        for _ in 0..20 {
            assert_eq!(attempts.current(), 1);
            assert!(attempts.pause_after(&busy(None)).is_some());
            assert_eq!(attempts.current(), 2);
            attempts.progressed();
        }
    }

    #[test]
    fn documents_are_not_waited_for_as_long() {
        assert_eq!(pauses(POLICY.for_documents(), &busy(None)), [0, 1]);
        let once = RetryPolicy {
            attempts: 1,
            ..POLICY
        };
        assert_eq!(once.for_documents().attempts, 1);
    }
}
