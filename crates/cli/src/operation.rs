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

/// The threads for requests and timers. Blocking work has threads of its own.
const RUNTIME_THREADS: usize = 2;

/// Runs operations, shows their progress, and stops them when a signal arrives.
pub(crate) struct OperationRunner {
    runtime: Runtime,
    signals: Signals,
    mode: ProgressMode,
}

/// Returns a duplicate of standard output for another thread, because the main thread holds the lock of [`io::stdout`].
pub(crate) fn standard_output() -> Result<OutputTarget, Error> {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let file = File::from(stdout.map_err(Error::Runtime)?);
    Ok(OutputTarget::Stream(Box::new(file)))
}

/// Creates a runtime that uses only the current thread.
pub(crate) fn current_thread_runtime() -> Result<Runtime, Error> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::Runtime)
}

/// The outcome of an operation.
pub(crate) enum OperationOutcome<T, E> {
    Completed(T),
    Failed(E),
    /// A signal stopped the operation.
    Interrupted(Signal),
}

impl OperationRunner {
    /// Creates a runner that shows progress in the form `mode`. From now on, signals no longer end the process.
    pub(crate) fn new(mode: ProgressMode) -> Result<Self, Error> {
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(RUNTIME_THREADS)
            .enable_all()
            .build();
        Ok(Self {
            runtime: runtime.map_err(Error::Runtime)?,
            signals,
            mode,
        })
    }

    /// Waits for `future`, or returns the signal that arrives first.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, Signal> {
        self.runtime.block_on(self.signals.interruptible(future))
    }

    /// Runs `operation` and shows its progress. `name` describes it, such as `Saving alpine`.
    pub(crate) fn run<T: Send + 'static, E: Send + 'static>(
        &self,
        name: &str,
        operation: Operation<CopyEvent, T, E>,
    ) -> OperationOutcome<T, E> {
        let mut stderr = io::stderr();
        let mut progress = TransferReporter::new(self.mode, name, &mut stderr);
        let period = progress.tick_time();
        let outcome = self.runtime.block_on(async {
            let mut ticks = time::interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut operation = operation;
            loop {
                tokio::select! {
                    biased;
                    signal = self.signals.first() => break OperationOutcome::stopped(operation, signal).await,
                    _ = ticks.tick() => progress.tick(),
                    event = operation.next_event() => match event {
                        Some(event) => progress.event(event),
                        None => break operation.await.into(),
                    },
                }
            }
        });
        progress.end();
        outcome
    }

    /// Runs `operation` without progress output.
    pub(crate) fn run_quietly<V: Event, T: Send + 'static, E: Send + 'static>(
        &self,
        mut operation: Operation<V, T, E>,
    ) -> OperationOutcome<T, E> {
        self.runtime.block_on(async {
            loop {
                tokio::select! {
                    biased;
                    signal = self.signals.first() => return OperationOutcome::stopped(operation, signal).await,
                    event = operation.next_event() => match event {
                        Some(_) => {}
                        None => return operation.await.into(),
                    },
                }
            }
        })
    }

    /// Waits until all work of stopped operations has ended, so that it changes nothing after the command has reported
    /// the result.
    pub(crate) fn wait_until_idle(&self, engine: &Engine) {
        self.runtime.block_on(engine.idle());
    }
}

impl<T: Send + 'static, E: Send + 'static> OperationOutcome<T, E> {
    /// Stops `operation`. It may have succeeded before it stopped.
    async fn stopped<V: Event>(operation: Operation<V, T, E>, signal: Signal) -> Self {
        match operation.stop().await {
            Some(Ok(output)) => Self::Completed(output),
            Some(Err(_)) | None => Self::Interrupted(signal),
        }
    }
}

impl<T, E> From<Result<T, E>> for OperationOutcome<T, E> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(output) => Self::Completed(output),
            Err(error) => Self::Failed(error),
        }
    }
}
