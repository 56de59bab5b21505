//! The health of hosts: recent faults and requested pauses.
//!
//! Records expire by the monotonic clock, and their number is limited, so that no registry can exhaust
//! memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::origin::Origin;

/// How long a host that did not respond, or reported that it is unavailable, is demoted.
const UNREACHABLE: Duration = Duration::from_secs(60);
/// How long a host whose bodies stall or break is demoted.
const SLOW: Duration = Duration::from_secs(60);
/// How long a host that sent wrong bytes is demoted.
const WRONG_DIGEST: Duration = Duration::from_secs(10 * 60);
/// The maximum pause that all callers respect. A host that requests a longer one gets at most one request in
/// this time.
const MAX_PAUSE: Duration = Duration::from_secs(5 * 60);
/// The maximum number of hosts with a record.
const MAX_HOSTS: usize = 1024;

/// A fault of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointFault {
    /// It does not respond, or reports that it is unavailable. Ends with the next successful response, or
    /// after a minute.
    Unreachable,
    /// Its bodies stall or break off. Expires after a minute.
    Slow,
    /// It sent wrong content, such as a blob with another digest. Expires after ten minutes.
    WrongDigest,
}

/// The records by host.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<HashMap<Origin, HealthRecord>>);

/// When each fault or pause of a host expires.
#[derive(Clone, Copy, Debug, Default)]
struct HealthRecord {
    unreachable: Option<Instant>,
    slow: Option<Instant>,
    wrong_digest: Option<Instant>,
    paused_until: Option<Instant>,
}

impl Health {
    pub(crate) fn record_fault(&self, origin: &Origin, fault: EndpointFault, now: Instant) {
        self.update(origin, now, |record| match fault {
            EndpointFault::Unreachable => record.unreachable = Some(now + UNREACHABLE),
            EndpointFault::Slow => record.slow = Some(now + SLOW),
            EndpointFault::WrongDigest => record.wrong_digest = Some(now + WRONG_DIGEST),
        });
    }

    /// Records a successful response.
    pub(crate) fn record_success(&self, origin: &Origin) {
        let mut hosts = self.lock();
        if let Some(record) = hosts.get_mut(origin) {
            record.unreachable = None;
        }
    }

    /// Records a pause of `origin`; an earlier, longer one remains.
    pub(crate) fn pause(&self, origin: &Origin, pause: Duration, now: Instant) {
        let until = now + pause.min(MAX_PAUSE);
        self.update(origin, now, |record| {
            record.paused_until = record.paused_until.max(Some(until));
        });
    }

    /// Returns the rest of the pause of `origin`.
    pub(crate) fn remaining_pause(&self, origin: &Origin, now: Instant) -> Option<Duration> {
        let until = self.lock().get(origin)?.paused_until?;
        let left = until.saturating_duration_since(now);
        (left > Duration::ZERO).then_some(left)
    }

    /// Returns whether other endpoints are tried before `origin`.
    pub(crate) fn is_unhealthy(&self, origin: &Origin, now: Instant) -> bool {
        let hosts = self.lock();
        hosts
            .get(origin)
            .is_some_and(|record| record.expires_at() > Some(now))
    }

    fn update(&self, origin: &Origin, now: Instant, update: impl FnOnce(&mut HealthRecord)) {
        let mut hosts = self.lock();
        if !hosts.contains_key(origin) && hosts.len() >= MAX_HOSTS {
            evict_records(&mut hosts, now);
        }
        update(hosts.entry(origin.clone()).or_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Origin, HealthRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HealthRecord {
    /// Returns when the whole record expires.
    fn expires_at(&self) -> Option<Instant> {
        let all = [
            self.unreachable,
            self.slow,
            self.wrong_digest,
            self.paused_until,
        ];
        all.into_iter().max().flatten()
    }
}

/// Removes expired records, or else the record that expires next.
fn evict_records(hosts: &mut HashMap<Origin, HealthRecord>, now: Instant) {
    hosts.retain(|_, record| record.expires_at() > Some(now));
    if hosts.len() < MAX_HOSTS {
        return;
    }
    let next = hosts.iter().min_by_key(|(_, record)| record.expires_at());
    if let Some(origin) = next.map(|(origin, _)| origin.clone()) {
        hosts.remove(&origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(number: usize) -> Origin {
        Origin::parse(&format!("https://{number}.test")).unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// T29: faults expire; a successful response ends the fault that it disproves.
    #[test]
    fn faults_expire_and_a_response_ends_unreachability() {
        for (fault, lasts, ended_by_a_response) in [
            (EndpointFault::Unreachable, 60, true),
            (EndpointFault::Slow, 60, false),
            (EndpointFault::WrongDigest, 600, false),
        ] {
            let (health, now) = (Health::default(), Instant::now());
            health.record_fault(&origin(1), fault, now);
            assert!(health.is_unhealthy(&origin(1), now + seconds(lasts - 1)));
            assert!(!health.is_unhealthy(&origin(1), now + seconds(lasts)));
            assert!(!health.is_unhealthy(&origin(2), now));
            health.record_success(&origin(1));
            assert_eq!(
                health.is_unhealthy(&origin(1), now),
                !ended_by_a_response,
                "{fault:?}"
            );
        }
    }

    /// T34: the longest pause counts, up to five minutes.
    #[test]
    fn a_pause_is_shared_by_all_callers() {
        let (health, now) = (Health::default(), Instant::now());
        assert_eq!(health.remaining_pause(&origin(1), now), None);
        health.pause(&origin(1), seconds(10), now);
        health.pause(&origin(1), seconds(2), now);
        assert_eq!(
            health.remaining_pause(&origin(1), now + seconds(1)),
            Some(seconds(9))
        );
        assert_eq!(health.remaining_pause(&origin(1), now + seconds(10)), None);
        health.pause(&origin(1), Duration::MAX, now);
        assert_eq!(health.remaining_pause(&origin(1), now), Some(seconds(300)));
    }

    /// The number of records is limited; those that expire last are kept.
    #[test]
    fn the_number_of_records_is_limited() {
        let (health, now) = (Health::default(), Instant::now());
        health.record_fault(&origin(0), EndpointFault::WrongDigest, now);
        for number in 1..3 * MAX_HOSTS {
            health.record_fault(&origin(number), EndpointFault::Unreachable, now);
        }
        assert_eq!(health.lock().len(), MAX_HOSTS);
        assert!(health.is_unhealthy(&origin(0), now));
        health.record_fault(&origin(0), EndpointFault::Slow, now + seconds(700));
        health.record_fault(&origin(9_999), EndpointFault::Slow, now + seconds(700));
        assert!(health.lock().len() <= 2);
    }
}
