//! All pulls of the command, on one thread, and how they are shown.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future;
use std::io;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::runtime::Runtime;
use tokio::time::{self, Instant};
use windlass::{PullRequest, Pulled, Reference};

use super::AT_ONCE;
use super::context::PullContext;
use windlass_report::ErrorReport;

use crate::environment;
use crate::error::Error;
use crate::progress::Board;
use crate::signals::{Signal, Signals};
use windlass_timings::{CpuTime, FailureRecord, Recorder, SAMPLE_TIME};

/// The pulls.
pub(super) struct PullRunner<'a> {
    pull_context: PullContext<'a>,
    board: RefCell<Board<'a>>,
    recorder: Option<RefCell<Recorder>>,
    start: Instant,
}

/// How the pulls ended.
pub(super) enum Outcome {
    /// All are over. One that failed was reported and is `None`.
    Over(Vec<Option<Pulled>>),
    Stopped(Signal),
}

impl<'a> PullRunner<'a> {
    /// Prepares pulls that are shown on `board`.
    pub(super) fn new(pull_context: PullContext<'a>, board: Board<'a>, runtime: &Runtime) -> Self {
        let _inside = runtime.enter();
        Self {
            pull_context,
            board: RefCell::new(board),
            recorder: None,
            start: Instant::now(),
        }
    }
}

impl PullRunner<'_> {
    /// Pulls everything, or all tags of the repositories, until a signal comes.
    pub(super) async fn pull_all(
        &self,
        references: Vec<Reference>,
        all_tags: bool,
        signals: &Signals,
    ) -> Result<Outcome, Error> {
        let pulls = async {
            let wanted = if all_tags {
                self.pull_context.all_tags(&references).await?
            } else {
                references
            };
            self.pull_each(wanted).await
        };
        let outcome = tokio::select! {
            biased;
            signal = signals.first() => Ok(Outcome::Stopped(signal)),
            pulls = pulls => pulls.map(Outcome::Over),
            never = self.tick() => match never {},
            never = self.sample() => match never {},
        };
        self.note(|recorder, now| {
            let failure = outcome.as_ref().err().map(Error::report);
            recorder.end(CpuTime::now(), failure.as_ref().map(failure_record), now);
        });
        outcome
    }

    async fn pull_each(&self, references: Vec<Reference>) -> Result<Vec<Option<Pulled>>, Error> {
        let wanted = stream::iter(references)
            .map(|reference| self.pull_context.requests(reference))
            .buffered(AT_ONCE);
        let wanted: Vec<_> = wanted.collect().await;
        let mut requests = Vec::new();
        for wanted in wanted {
            let wanted = match wanted {
                Ok(wanted) => wanted.into_iter().map(Ok).collect(),
                Err(failure) => vec![Err(failure)],
            };
            for request in wanted {
                let reference = match &request {
                    Ok(request) => &request.reference,
                    Err((reference, _)) => reference,
                };
                let mirrors = self.pull_context.mirrors(reference);
                self.board.borrow_mut().add(reference, mirrors);
                self.note(|recorder, _| recorder.add(reference));
                requests.push(request);
            }
        }
        let pulls = stream::iter(requests.iter().enumerate())
            .map(|(place, request)| async move {
                match request {
                    Ok(request) => self.pull_one(place, request).await,
                    Err((_, report)) => self.failed(place, report),
                }
            })
            .buffered(AT_ONCE);
        Ok(pulls.try_collect().await?)
    }

    /// Says that nothing is pulled, and why.
    fn failed(&self, place: usize, report: &ErrorReport) -> io::Result<Option<Pulled>> {
        self.note(|recorder, now| recorder.failed(place, failure_record(report), now));
        let mut board = self.board.borrow_mut();
        board.failed(place, report, environment::colors(), self.now())?;
        Ok(None)
    }

    /// Pulls one image and shows how. Returns `None` if it failed, which was said.
    async fn pull_one(&self, place: usize, request: &PullRequest) -> io::Result<Option<Pulled>> {
        self.board.borrow_mut().start(place, self.now());
        self.note(|recorder, now| recorder.begin(place, now));
        let mut pull = self.pull_context.pull(request);
        while let Some(event) = pull.next_event().await {
            self.note(|recorder, now| recorder.event(place, &event, now));
            self.board.borrow_mut().event(place, &event, self.now())?;
        }
        let outcome = pull.await;
        let mut board = self.board.borrow_mut();
        match outcome {
            Ok(pulled) => {
                self.note(|recorder, now| recorder.pulled(place, &pulled, now));
                board.pulled(place, &pulled, self.now())?;
                Ok(Some(pulled))
            }
            Err(error) => {
                let report = error.report();
                self.note(|recorder, now| recorder.failed(place, failure_record(&report), now));
                board.failed(place, &report, environment::colors(), self.now())?;
                Ok(None)
            }
        }
    }

    async fn tick(&self) -> Infallible {
        let mut ticks = time::interval(self.board.borrow().tick_time());
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.board.borrow_mut().tick(self.now());
        }
    }

    /// Notes the CPU time at every tick, if that is recorded.
    async fn sample(&self) -> Infallible {
        if self.recorder.is_none() {
            return future::pending().await;
        }
        let mut ticks = time::interval(SAMPLE_TIME);
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.note(|recorder, now| recorder.sample(CpuTime::now(), now));
        }
    }

    /// Has what happens recorded.
    pub(super) fn record(&mut self, recorder: Recorder) {
        self.recorder = Some(RefCell::new(recorder));
    }

    /// Returns what was recorded.
    pub(super) fn recorded(&mut self) -> Option<&Recorder> {
        self.recorder.as_mut().map(|recorder| &*recorder.get_mut())
    }

    fn note(&self, what: impl FnOnce(&mut Recorder, Duration)) {
        if let Some(recorder) = &self.recorder {
            what(&mut recorder.borrow_mut(), self.now());
        }
    }

    /// Says that a signal stopped what was not over.
    pub(super) fn stopped(&mut self) -> io::Result<()> {
        let now = self.now();
        self.board.get_mut().stopped(now)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

fn failure_record(report: &ErrorReport) -> FailureRecord {
    FailureRecord {
        message: report.message.clone(),
        tried: report.tried.clone(),
        hint: report.hint.clone(),
    }
}
