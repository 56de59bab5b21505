//! The retry policy: how often a request is sent, and the pauses between the attempts.

use std::time::Duration;

use windlass_registry::{NextStep, RegistryError};

/// How often a request is sent, and how long the pauses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The maximum number of consecutive attempts without progress for one blob or manifest (DM-10: 5).
    pub attempts: u32,
    /// The first pause; each further one is twice as long.
    pub first_pause: Duration,
    /// The maximum length of a pause, unless the server requested a longer one.
    pub longest_pause: Duration,
    /// The maximum length of a pause that a server requests. The pull fails if it requests a longer one.
    pub longest_requested_pause: Duration,
    /// The maximum random extension of a pause, in percent, so that not all transfers retry at the same time.
    pub jitter: u32,
}

/// Counts the attempts of one request.
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
    /// Returns the policy for manifests, tags and configs. It gives up earlier, because no progress is visible yet.
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
    /// Starts with the first attempt.
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, failed: 0 }
    }

    /// Returns the number of the current attempt, from 1.
    pub(crate) fn current(&self) -> u32 {
        self.failed + 1
    }

    /// Resets the number of failures, after progress or for another endpoint.
    pub fn reset(&mut self) {
        self.failed = 0;
    }

    /// Counts a failure. Returns the pause before the next attempt, or `None` to give up.
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

    /// Returns `pause` with a random extension.
    fn jittered(&self, pause: Duration) -> Duration {
        match self.policy.jitter {
            0 => pause,
            percent => {
                let extension = pause.saturating_mul(fastrand::u32(..=percent)) / 100;
                pause.saturating_add(extension)
            }
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
            reason: String::new(),
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

    /// The doubled pause is larger than a `Duration` can be.
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
    fn a_requested_pause_is_kept_or_ends_the_attempts() {
        assert_eq!(pauses(POLICY, &busy(Some(60))), [60; 4]);
        assert_eq!(pauses(POLICY, &busy(Some(0))), [0; 4]);
        assert_eq!(pauses(POLICY, &busy(Some(61))), [0; 0]);
    }

    /// T34: a pause is extended by a random length of up to a quarter.
    #[test]
    fn pauses_are_extended_randomly() {
        let policy = RetryPolicy {
            jitter: 25,
            ..POLICY
        };
        let first_pause = |error: &RegistryError| Attempts::new(policy).pause_after(error).unwrap();
        let pauses: Vec<_> = (0..200).map(|_| first_pause(&busy(None))).collect();
        let range = Duration::from_secs(1)..=Duration::from_millis(1250);
        assert!(
            pauses.iter().all(|pause| range.contains(pause)),
            "{pauses:?}"
        );
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        assert!(first_pause(&busy(Some(10))) >= Duration::from_secs(10));
    }

    #[test]
    fn a_final_error_is_not_retried() {
        let unknown = RegistryError::BlobUnknown {
            context: context(),
            reason: String::new(),
        };
        assert_eq!(pauses(POLICY, &unknown), [0; 0]);
    }

    /// The first attempt is always made.
    #[test]
    fn a_single_attempt_is_not_retried() {
        for attempts in [0, 1] {
            let policy = RetryPolicy { attempts, ..POLICY };
            assert_eq!(pauses(policy, &busy(None)), [0; 0]);
        }
    }

    #[test]
    fn failures_are_reset() {
        let mut attempts = Attempts::new(POLICY);
        for _ in 0..20 {
            assert_eq!(attempts.current(), 1);
            assert!(attempts.pause_after(&busy(None)).is_some());
            assert_eq!(attempts.current(), 2);
            attempts.reset();
        }
    }

    #[test]
    fn documents_have_fewer_and_shorter_pauses() {
        assert_eq!(pauses(POLICY.for_documents(), &busy(None)), [0, 1]);
        let once = RetryPolicy {
            attempts: 1,
            ..POLICY
        };
        assert_eq!(once.for_documents().attempts, 1);
    }
}
