//! All pulls of a command, as they are recorded.

use std::collections::HashMap;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use windlass::{Digest, PullEvent, Pulled, Reference};

use super::cpu::CpuTime;
use super::layer::Moved;
use super::pull::{FailureRecord, PullRecord};
use super::samples::{Sample, Samples};
use super::track::Micros;

/// Records pulls. It is told what happens with the time since the beginning.
///
/// Serialised, it is what the page shows; that is no interface.
#[derive(Debug, Serialize)]
pub struct Recorder {
    windlass: &'static str,
    /// When it began, by the clock on the wall.
    started: String,
    /// How many CPUs this process may use.
    cpus: usize,
    /// How long it took.
    total: Micros,
    pulls: Vec<PullRecord>,
    /// Why the whole command failed.
    failure: Option<FailureRecord>,
    samples: Samples,
    moved: Moved,
    /// By whom the bytes of a blob count: pulls that share a transfer all tell of it.
    #[serde(skip)]
    tellers: HashMap<Digest, usize>,
}

impl Recorder {
    /// Begins a record, now.
    pub fn start() -> Self {
        let cpus = available_parallelism().map_or(1, NonZero::get);
        Self::new(Timestamp::now(), cpus)
    }

    pub(crate) fn new(started: Timestamp, cpus: usize) -> Self {
        Self {
            windlass: env!("CARGO_PKG_VERSION"),
            started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            cpus,
            total: Micros::default(),
            pulls: Vec::new(),
            failure: None,
            samples: Samples::default(),
            moved: Moved::default(),
            tellers: HashMap::new(),
        }
    }

    /// Adds the pull of `reference`, which is to start later. Pulls are numbered from 0 as they are added.
    pub fn add(&mut self, reference: &Reference) {
        self.pulls.push(PullRecord::new(&reference.to_string()));
    }

    /// Notes that the pull number `place` starts.
    pub fn begin(&mut self, place: usize, now: Duration) {
        self.pulls[place].start(now.into());
    }

    /// Takes in what a pull told.
    pub fn event(&mut self, place: usize, event: &PullEvent, now: Duration) {
        let moved = self.pulls[place].apply(event, now.into());
        if let Some((digest, news)) = moved
            && *self.tellers.entry(digest).or_insert(place) == place
        {
            self.moved.add(news);
        }
    }

    /// Notes that a pull succeeded.
    pub fn pulled(&mut self, place: usize, pulled: &Pulled, now: Duration) {
        self.pulls[place].pulled(pulled, now.into());
        self.tells_no_more(place);
    }

    /// Notes that a pull failed.
    pub fn failed(&mut self, place: usize, failure: FailureRecord, now: Duration) {
        self.pulls[place].failed(failure, now.into());
        self.tells_no_more(place);
    }

    /// Notes the CPU time that was spent until now. To be called every [`SAMPLE_TIME`](super::SAMPLE_TIME).
    pub fn sample(&mut self, cpu: CpuTime, now: Duration) {
        self.samples.offer(self.sample_of(cpu, now));
    }

    /// Notes that all is over; `failure` is why, if that is nothing that a single pull is to blame for.
    pub fn end(&mut self, cpu: CpuTime, failure: Option<FailureRecord>, now: Duration) {
        self.samples.finish(self.sample_of(cpu, now));
        self.total = now.into();
        self.failure = failure;
        for pull in &mut self.pulls {
            pull.end(now.into());
        }
    }

    fn tells_no_more(&mut self, place: usize) {
        self.tellers.retain(|_, teller| *teller != place);
    }

    fn sample_of(&self, cpu: CpuTime, now: Duration) -> Sample {
        Sample {
            at: now.into(),
            downloaded: self.moved.downloaded,
            unpacked: self.moved.unpacked,
            cpu: cpu.process.into(),
            machine: cpu.machine.map(Micros::from),
        }
    }
}

#[cfg(test)]
mod tests;
