//! The record of all pulls of a command.

use std::collections::HashMap;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use windlass::image::{Digest, Reference};
use windlass::{PullEvent, Pulled};

use super::cpu::CpuTime;
use super::layer::Moved;
use super::pull::{FailureRecord, PullRecord};
use super::samples::{Sample, Samples};
use super::track::Micros;

/// Records pulls. All times are relative to its start.
///
/// Its serialised form is the data of the page, and not a stable interface.
#[derive(Debug, Serialize)]
pub struct Recorder {
    windlass: &'static str,
    /// The start, in UTC.
    started: String,
    /// The number of CPUs that this process may use.
    cpus: usize,
    /// The duration.
    total: Micros,
    pulls: Vec<PullRecord>,
    /// Why the whole command failed.
    failure: Option<FailureRecord>,
    samples: Samples,
    moved: Moved,
    /// The index of the pull whose events count for a blob: all pulls that share a transfer send them.
    #[serde(skip)]
    counted_pulls: HashMap<Digest, usize>,
}

impl Recorder {
    /// Starts a record.
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
            counted_pulls: HashMap::new(),
        }
    }

    /// Adds a pull that starts later. The index of the first pull is 0.
    pub fn add(&mut self, reference: &Reference) {
        self.pulls.push(PullRecord::new(&reference.to_string()));
    }

    /// Records the start of the pull with index `place`.
    pub fn begin(&mut self, place: usize, now: Duration) {
        self.pulls[place].start(now.into());
    }

    /// Records an event.
    pub fn event(&mut self, place: usize, event: &PullEvent, now: Duration) {
        let moved = self.pulls[place].apply(event, now.into());
        if let Some((digest, news)) = moved
            && *self.counted_pulls.entry(digest).or_insert(place) == place
        {
            self.moved.add(news);
        }
    }

    /// Records that a pull succeeded.
    pub fn pulled(&mut self, place: usize, pulled: &Pulled, now: Duration) {
        self.pulls[place].pulled(pulled, now.into());
        self.stop_counting(place);
    }

    /// Records that a pull failed.
    pub fn failed(&mut self, place: usize, failure: FailureRecord, now: Duration) {
        self.pulls[place].failed(failure, now.into());
        self.stop_counting(place);
    }

    /// Records the CPU time. Call it every [`SAMPLE_TIME`](super::SAMPLE_TIME).
    pub fn sample(&mut self, cpu: CpuTime, now: Duration) {
        self.samples.offer(self.sample_of(cpu, now));
    }

    /// Ends the record. `failure` is the error of the whole command, if no single pull caused it.
    pub fn end(&mut self, cpu: CpuTime, failure: Option<FailureRecord>, now: Duration) {
        self.samples.finish(self.sample_of(cpu, now));
        self.total = now.into();
        self.failure = failure;
        for pull in &mut self.pulls {
            pull.end(now.into());
        }
    }

    fn stop_counting(&mut self, place: usize) {
        self.counted_pulls.retain(|_, counted| *counted != place);
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
