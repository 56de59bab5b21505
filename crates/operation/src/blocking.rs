//! What blocking work is given.

use std::io::{self, Read};

use tokio::runtime::Handle;

use crate::cancellation::{Cancellation, Cancelled};
use crate::events::{Event, EventSender};

/// What blocking work is given: a check for cancellation, a sink for events, and the runtime for its requests.
#[derive(Clone, Debug)]
pub struct BlockingContext<E> {
    runtime: Handle,
    cancellation: Cancellation,
    events: EventSender<E>,
}

/// Reads until the work is cancelled.
#[derive(Debug)]
pub struct CancellableReader<R> {
    inner: R,
    cancellation: Cancellation,
}

impl<E: Event> BlockingContext<E> {
    pub(crate) fn new(runtime: Handle, cancellation: Cancellation, events: EventSender<E>) -> Self {
        Self {
            runtime,
            cancellation,
            events,
        }
    }

    /// Sends an event.
    pub fn send(&self, event: E) {
        self.events.send(event);
    }

    /// Returns the runtime on which requests run.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Returns what cancels the work.
    pub fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }

    /// Returns whether the work is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// Fails if the work is cancelled.
    pub fn check(&self) -> Result<(), Cancelled> {
        self.cancellation.check()
    }

    /// Rules out a cancellation from here on: see [`Cancellation::begin_commit`].
    pub fn begin_commit(&self) -> Result<(), Cancelled> {
        self.cancellation.begin_commit()
    }

    /// Blocks until `future`, which runs on the runtime, is ready or the work is cancelled. The future of cancelled
    /// work is not polled.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, Cancelled> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancellation.cancelled() => Err(Cancelled),
                done = future => Ok(done),
            }
        })
    }

    /// Makes `inner` fail when the work is cancelled.
    pub fn reader<R>(&self, inner: R) -> CancellableReader<R> {
        CancellableReader {
            inner,
            cancellation: self.cancellation.clone(),
        }
    }
}

impl<R: Read> Read for CancellableReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Not `Interrupted`: readers try that again.
        self.cancellation.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}
