//! Runs all pulls of a command on one thread and shows their progress.

use std::cell::RefCell;
use std::convert::Infallible;
use std::time::Duration;
use std::{future, io};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::runtime::Runtime;
use tokio::time::{self, Instant};
use windlass::image::Reference;
use windlass::{PullRequest, Pulled};
use windlass_error_report::ErrorReport;
use windlass_progress::PullReporter;
use windlass_timings::{CpuTime, FailureRecord, Recorder, SAMPLE_TIME};

use super::context::{MAX_CONCURRENT_IMAGES, PullContext};
use crate::environment;
use crate::error::Error;
use crate::signals::{Signal, Signals};

/// Runs the pulls of a command.
pub(super) struct PullRunner<'a> {
    pull_context: PullContext<'a>,
    reporter: RefCell<PullReporter<'a>>,
    recorder: Option<RefCell<Recorder>>,
    start: Instant,
}

/// The result of the pulls.
pub(super) enum PullsOutcome {
    /// All pulls ended. A failed one was reported and is `None`.
    Finished(Vec<Option<Pulled>>),
    Interrupted(Signal),
}

impl<'a> PullRunner<'a> {
    /// Creates a runner that shows progress on `reporter`.
    pub(super) fn new(
        pull_context: PullContext<'a>,
        reporter: PullReporter<'a>,
        runtime: &Runtime,
    ) -> Self {
        let _guard = runtime.enter();
        Self {
            pull_context,
            reporter: RefCell::new(reporter),
            recorder: None,
            start: Instant::now(),
        }
    }
}

impl PullRunner<'_> {
    /// Pulls the references, or all tags of their repositories, until a signal arrives.
    pub(super) async fn pull_all(
        &self,
        references: Vec<Reference>,
        all_tags: bool,
        signals: &Signals,
    ) -> Result<PullsOutcome, Error> {
        let pulls = async {
            let references = if all_tags {
                self.pull_context.all_tags(&references).await?
            } else {
                references
            };
            self.pull_each(references).await
        };
        let outcome = tokio::select! {
            biased;
            signal = signals.first() => Ok(PullsOutcome::Interrupted(signal)),
            pulls = pulls => pulls.map(PullsOutcome::Finished),
            never = self.tick() => match never {},
            never = self.sample() => match never {},
        };
        self.record_event(|recorder, now| {
            let failure = outcome.as_ref().err().map(Error::report);
            recorder.end(CpuTime::now(), failure.as_ref().map(failure_record), now);
        });
        outcome
    }

    async fn pull_each(&self, references: Vec<Reference>) -> Result<Vec<Option<Pulled>>, Error> {
        let resolved = stream::iter(references)
            .map(|reference| self.pull_context.requests(reference))
            .buffered(MAX_CONCURRENT_IMAGES);
        let resolved: Vec<_> = resolved.collect().await;
        let mut requests = Vec::new();
        for platforms in resolved {
            let platforms = match platforms {
                Ok(platforms) => platforms.into_iter().map(Ok).collect(),
                Err(failure) => vec![Err(failure)],
            };
            for request in platforms {
                let reference = match &request {
                    Ok(request) => &request.reference,
                    Err((reference, _)) => reference,
                };
                let mirrors = self.pull_context.mirrors(reference);
                self.reporter.borrow_mut().add(reference, mirrors);
                self.record_event(|recorder, _| recorder.add(reference));
                requests.push(request);
            }
        }
        let pulls = stream::iter(requests.iter().enumerate())
            .map(|(index, request)| async move {
                match request {
                    Ok(request) => self.pull_one(index, request).await,
                    Err((_, report)) => self.fail(index, report),
                }
            })
            .buffered(MAX_CONCURRENT_IMAGES);
        Ok(pulls.try_collect().await?)
    }

    /// Shows the failure of a pull that did not start.
    fn fail(&self, index: usize, report: &ErrorReport) -> io::Result<Option<Pulled>> {
        self.record_event(|recorder, now| recorder.failed(index, failure_record(report), now));
        let mut reporter = self.reporter.borrow_mut();
        reporter.failed(index, report, environment::colors(), self.now())?;
        Ok(None)
    }

    /// Pulls one image and shows its progress. Returns `None` if it failed; the error was reported.
    async fn pull_one(&self, index: usize, request: &PullRequest) -> io::Result<Option<Pulled>> {
        self.reporter.borrow_mut().start(index, self.now());
        self.record_event(|recorder, now| recorder.begin(index, now));
        let mut pull = self.pull_context.pull(request);
        while let Some(event) = pull.next_event().await {
            self.record_event(|recorder, now| recorder.event(index, &event, now));
            self.reporter
                .borrow_mut()
                .event(index, &event, self.now())?;
        }
        let outcome = pull.await;
        let mut reporter = self.reporter.borrow_mut();
        match outcome {
            Ok(pulled) => {
                self.record_event(|recorder, now| recorder.pulled(index, &pulled, now));
                reporter.pulled(index, &pulled, self.now())?;
                Ok(Some(pulled))
            }
            Err(error) => {
                let report = error.report();
                self.record_event(|recorder, now| {
                    recorder.failed(index, failure_record(&report), now);
                });
                reporter.failed(index, &report, environment::colors(), self.now())?;
                Ok(None)
            }
        }
    }

    async fn tick(&self) -> Infallible {
        let mut ticks = time::interval(self.reporter.borrow().tick_time());
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.reporter.borrow_mut().tick(self.now());
        }
    }

    /// Records the CPU time periodically, if there is a recorder.
    async fn sample(&self) -> Infallible {
        if self.recorder.is_none() {
            return future::pending().await;
        }
        let mut ticks = time::interval(SAMPLE_TIME);
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.record_event(|recorder, now| recorder.sample(CpuTime::now(), now));
        }
    }

    /// Records the events of the pulls.
    pub(super) fn set_recorder(&mut self, recorder: Recorder) {
        self.recorder = Some(RefCell::new(recorder));
    }

    /// Returns the recorder with all events.
    pub(super) fn recorder(&mut self) -> Option<&Recorder> {
        self.recorder.as_mut().map(|recorder| &*recorder.get_mut())
    }

    fn record_event(&self, record: impl FnOnce(&mut Recorder, Duration)) {
        if let Some(recorder) = &self.recorder {
            record(&mut recorder.borrow_mut(), self.now());
        }
    }

    /// Shows that a signal interrupted the unfinished pulls.
    pub(super) fn show_interruption(&mut self) -> io::Result<()> {
        let now = self.now();
        self.reporter.get_mut().stopped(now)
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
