//! Runs one operation of the engine at a time, until it ends or a signal stops it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;

use tokio::runtime::{Builder, Runtime};
use tokio::time::{self, Instant, MissedTickBehavior};
use windlass::transfer::OutputTarget;
use windlass::{CopyEvent, Engine, Event, Operation};
use windlass_progress::{ProgressMode, TransferReporter};

use crate::error::Error;
use crate::signals::{Signal, Signals};

/// Threads for requests and timers; what blocks has threads of its own.
const THREADS: usize = 2;

/// Runs operations, shows their progress, and stops them at a signal.
pub(crate) struct OperationRunner {
    runtime: Runtime,
    signals: Signals,
    mode: ProgressMode,
}

/// Returns standard output for work on another thread: the main thread holds the lock of [`io::stdout`].
pub(crate) fn standard_output() -> Result<OutputTarget, Error> {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let file = File::from(stdout.map_err(Error::Runtime)?);
    Ok(OutputTarget::Stream(Box::new(file)))
}

/// How an operation ended.
pub(crate) enum Ending<T, X> {
    Done(T),
    Failed(X),
    Stopped(Signal),
}

impl OperationRunner {
    /// Makes a runner that shows progress as `mode` has it. Takes the signals over from here on.
    pub(crate) fn new(mode: ProgressMode) -> Result<Self, Error> {
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_all()
            .build();
        Ok(Self {
            runtime: runtime.map_err(Error::Runtime)?,
            signals,
            mode,
        })
    }

    /// Waits for `future`, or returns the signal that came first.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, Signal> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                signal = self.signals.first() => Err(signal),
                done = future => Ok(done),
            }
        })
    }

    /// Runs `operation` and shows its progress; `name` is what is done, such as `Saving alpine`.
    pub(crate) fn run<T: Send + 'static, X: Send + 'static>(
        &self,
        name: &str,
        operation: Operation<CopyEvent, T, X>,
    ) -> Ending<T, X> {
        let mut stderr = io::stderr();
        let mut progress = TransferReporter::new(self.mode, name, &mut stderr);
        let period = progress.tick_time();
        let ending = self.runtime.block_on(async {
            let mut ticks = time::interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut operation = operation;
            loop {
                tokio::select! {
                    biased;
                    signal = self.signals.first() => break Ending::stopped(operation, signal).await,
                    _ = ticks.tick() => progress.tick(),
                    event = operation.next_event() => match event {
                        Some(event) => progress.event(event),
                        None => break operation.await.into(),
                    },
                }
            }
        });
        progress.end();
        ending
    }

    /// Runs `operation` and shows nothing.
    pub(crate) fn run_quietly<E: Event, T: Send + 'static, X: Send + 'static>(
        &self,
        mut operation: Operation<E, T, X>,
    ) -> Ending<T, X> {
        self.runtime.block_on(async {
            loop {
                tokio::select! {
                    biased;
                    signal = self.signals.first() => return Ending::stopped(operation, signal).await,
                    event = operation.next_event() => match event {
                        Some(_) => {}
                        None => return operation.await.into(),
                    },
                }
            }
        })
    }

    /// Waits until nothing that was stopped runs any more: what the command reports then stays true.
    pub(crate) fn settle(&self, engine: &Engine) {
        self.runtime.block_on(engine.idle());
    }
}

impl<T: Send + 'static, X: Send + 'static> Ending<T, X> {
    /// Stops `operation`, which may have succeeded by then.
    async fn stopped<E: Event>(operation: Operation<E, T, X>, signal: Signal) -> Self {
        match operation.stop().await {
            Some(Ok(output)) => Self::Done(output),
            Some(Err(_)) | None => Self::Stopped(signal),
        }
    }
}

impl<T, X> From<Result<T, X>> for Ending<T, X> {
    fn from(outcome: Result<T, X>) -> Self {
        match outcome {
            Ok(output) => Self::Done(output),
            Err(error) => Self::Failed(error),
        }
    }
}
