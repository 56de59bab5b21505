//! What is remembered of hosts: who failed lately, and who wants to be left alone.
//!
//! By the monotonic clock, for a while, and of so many hosts at most: nothing here outlives its use, and no
//! registry can fill it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::origin::Origin;

/// For how long a host that did not answer, or answered that it is out of order, is asked after others.
const UNREACHABLE: Duration = Duration::from_secs(60);
/// For how long a host whose bodies stall or break is asked after others.
const SLOW: Duration = Duration::from_secs(60);
/// For how long a host that sent other bytes than it was asked for is asked after others.
const LYING: Duration = Duration::from_secs(10 * 60);
/// The longest time for which everybody leaves a host alone by its own word. One that asked for more may be
/// asked once in this time whether it still means it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// The most hosts that something is remembered of.
const MOST_HOSTS: usize = 1024;

/// What a host is to blame for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointFault {
    /// It does not answer, or answers that it is out of order. Any good answer ends this, a minute does, too.
    Unreachable,
    /// What it sends stalls or breaks off. Remembered for a minute.
    Slow,
    /// It sent what it was not asked for, such as a blob with another digest. Remembered for ten minutes.
    WrongDigest,
}

/// The memory.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<HashMap<Origin, Record>>);

/// Until when what holds of a host.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    unreachable: Option<Instant>,
    slow: Option<Instant>,
    lying: Option<Instant>,
    paused: Option<Instant>,
}

impl Health {
    pub(crate) fn record_fault(&self, origin: &Origin, fault: EndpointFault, now: Instant) {
        self.change(origin, now, |record| match fault {
            EndpointFault::Unreachable => record.unreachable = Some(now + UNREACHABLE),
            EndpointFault::Slow => record.slow = Some(now + SLOW),
            EndpointFault::WrongDigest => record.lying = Some(now + LYING),
        });
    }

    /// Takes note of a good answer.
    pub(crate) fn praise(&self, origin: &Origin) {
        let mut hosts = self.lock();
        if let Some(record) = hosts.get_mut(origin) {
            record.unreachable = None;
        }
    }

    /// Leaves `origin` alone for `pause`, or for as long as it asked for before.
    pub(crate) fn pause(&self, origin: &Origin, pause: Duration, now: Instant) {
        let until = now + pause.min(LONGEST_PAUSE);
        self.change(origin, now, |record| {
            record.paused = record.paused.max(Some(until));
        });
    }

    /// Returns for how long `origin` is left alone.
    pub(crate) fn paused(&self, origin: &Origin, now: Instant) -> Option<Duration> {
        let until = self.lock().get(origin)?.paused?;
        let left = until.saturating_duration_since(now);
        (left > Duration::ZERO).then_some(left)
    }

    /// Tells whether others are to be asked before `origin`.
    pub(crate) fn is_bad(&self, origin: &Origin, now: Instant) -> bool {
        let hosts = self.lock();
        hosts
            .get(origin)
            .is_some_and(|record| record.end() > Some(now))
    }

    fn change(&self, origin: &Origin, now: Instant, change: impl FnOnce(&mut Record)) {
        let mut hosts = self.lock();
        if !hosts.contains_key(origin) && hosts.len() >= MOST_HOSTS {
            make_room(&mut hosts, now);
        }
        change(hosts.entry(origin.clone()).or_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Origin, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// Returns when nothing of it holds any more.
    fn end(&self) -> Option<Instant> {
        let all = [self.unreachable, self.slow, self.lying, self.paused];
        all.into_iter().max().flatten()
    }
}

/// Forgets what is over, and if nothing is, what is over next.
fn make_room(hosts: &mut HashMap<Origin, Record>, now: Instant) {
    hosts.retain(|_, record| record.end() > Some(now));
    if hosts.len() < MOST_HOSTS {
        return;
    }
    let next = hosts.iter().min_by_key(|(_, record)| record.end());
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

    /// T29: faults are forgotten in time; a good answer ends the one that it disproves.
    #[test]
    fn faults_expire_and_good_answers_end_silence() {
        for (fault, lasts, ended_by_an_answer) in [
            (EndpointFault::Unreachable, 60, true),
            (EndpointFault::Slow, 60, false),
            (EndpointFault::WrongDigest, 600, false),
        ] {
            let (health, now) = (Health::default(), Instant::now());
            health.record_fault(&origin(1), fault, now);
            assert!(health.is_bad(&origin(1), now + seconds(lasts - 1)));
            assert!(!health.is_bad(&origin(1), now + seconds(lasts)));
            assert!(!health.is_bad(&origin(2), now));
            health.praise(&origin(1));
            assert_eq!(
                health.is_bad(&origin(1), now),
                !ended_by_an_answer,
                "{fault:?}"
            );
        }
    }

    /// T34: the longest pause counts, up to five minutes.
    #[test]
    fn a_pause_is_for_everybody() {
        let (health, now) = (Health::default(), Instant::now());
        assert_eq!(health.paused(&origin(1), now), None);
        health.pause(&origin(1), seconds(10), now);
        health.pause(&origin(1), seconds(2), now);
        assert_eq!(
            health.paused(&origin(1), now + seconds(1)),
            Some(seconds(9))
        );
        assert_eq!(health.paused(&origin(1), now + seconds(10)), None);
        health.pause(&origin(1), Duration::MAX, now);
        assert_eq!(health.paused(&origin(1), now), Some(seconds(300)));
    }

    /// However many hosts there are, the memory is bounded; what holds longest is kept.
    #[test]
    fn the_memory_is_bounded() {
        let (health, now) = (Health::default(), Instant::now());
        health.record_fault(&origin(0), EndpointFault::WrongDigest, now);
        for number in 1..3 * MOST_HOSTS {
            health.record_fault(&origin(number), EndpointFault::Unreachable, now);
        }
        assert_eq!(health.lock().len(), MOST_HOSTS);
        assert!(health.is_bad(&origin(0), now));
        health.record_fault(&origin(0), EndpointFault::Slow, now + seconds(700));
        health.record_fault(&origin(9_999), EndpointFault::Slow, now + seconds(700));
        assert!(health.lock().len() <= 2);
    }
}
