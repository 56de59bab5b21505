//! An operation: work, its events and its outcome.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::runtime::{Builder, Handle};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use crate::blocking::BlockingContext;
use crate::cancellation::{Cancellation, Cancelled};
use crate::events::{Event, EventReceiver, EventSender};

/// Work that takes time: a stream of events, and an outcome. The invariants are those of the [crate](crate).
///
/// ```text
/// while let Some(event) = operation.next_event().await { … }   // or use it as a Stream
/// let outcome = operation.await;
/// ```
#[must_use = "nothing happens before an operation is polled"]
pub struct Operation<E, T, X> {
    // Dropped first: blocking work is cancelled when the drop returns.
    cancel: CancelOnDrop,
    work: Work<E, T, X>,
    events: EventReceiver<E>,
    outcome: Option<Result<T, X>>,
    is_blocking: bool,
}

/// The outcome of an [`Operation`], as a future. Its events are discarded.
#[derive(Debug)]
#[must_use = "nothing happens before an operation is polled"]
pub struct OutcomeFuture<E, T, X>(Operation<E, T, X>);

type RunningWork<T, X> = Pin<Box<dyn Future<Output = Result<T, X>> + Send>>;
type BlockingWork<E, T, X> = Box<dyn FnOnce(&BlockingContext<E>) -> Result<T, X> + Send>;

enum Work<E, T, X> {
    /// Blocking work that has not been started, and the sender for its events.
    Blocking(BlockingWork<E, T, X>, EventSender<E>),
    /// A future, or blocking work that runs on a thread.
    Running(RunningWork<T, X>),
    /// The outcome is there.
    Ended,
}

struct CancelOnDrop(Cancellation);

struct AbortOnDrop<T>(JoinHandle<T>);

impl<E, T, X> Operation<E, T, X>
where
    E: Event,
    T: Send + 'static,
    X: Send + 'static,
{
    /// Makes an operation of a future, which sends its events through the sender that `work` is given.
    pub fn new<F>(work: impl FnOnce(EventSender<E>) -> F) -> Self
    where
        F: Future<Output = Result<T, X>> + Send + 'static,
    {
        let (sender, events) = EventSender::channel();
        let work = Work::Running(Box::pin(work(sender)));
        Self::of(work, events, Cancellation::default())
    }

    /// Makes an operation of work that blocks. It should check its context for cancellation often.
    pub fn blocking(work: impl FnOnce(&BlockingContext<E>) -> Result<T, X> + Send + 'static) -> Self
    where
        X: From<Cancelled>,
    {
        let (sender, events) = EventSender::channel();
        // The thread may be late: the pool of threads is bounded.
        let work = move |context: &BlockingContext<E>| {
            context.check()?;
            work(context)
        };
        let work = Work::Blocking(Box::new(work), sender);
        Self {
            is_blocking: true,
            ..Self::of(work, events, Cancellation::default())
        }
    }

    fn of(work: Work<E, T, X>, events: EventReceiver<E>, cancellation: Cancellation) -> Self {
        Self {
            cancel: CancelOnDrop(cancellation),
            work,
            events,
            outcome: None,
            is_blocking: false,
        }
    }

    /// Changes the outcome where the work runs: of blocking work also when the operation has been dropped and the work
    /// goes on to its end.
    pub fn then<U, Y>(
        self,
        change: impl FnOnce(Result<T, X>) -> Result<U, Y> + Send + 'static,
    ) -> Operation<E, U, Y>
    where
        U: Send + 'static,
        Y: Send + 'static,
    {
        let (mut outcome, mut change) = (None, Some(change));
        if let Some(ended) = self.outcome {
            outcome = change.take().map(|change| change(ended));
        }
        let work = match (self.work, change) {
            (Work::Blocking(work, sender), Some(change)) => {
                let work = move |context: &BlockingContext<E>| change(work(context));
                Work::Blocking(Box::new(work), sender)
            }
            (Work::Running(work), Some(change)) => {
                Work::Running(Box::pin(async move { change(work.await) }))
            }
            (_, _) => Work::Ended,
        };
        Operation {
            cancel: self.cancel,
            work,
            events: self.events,
            outcome,
            is_blocking: self.is_blocking,
        }
    }

    /// Changes the output; as [`then`](Self::then).
    pub fn map<U: Send + 'static>(
        self,
        change: impl FnOnce(T) -> U + Send + 'static,
    ) -> Operation<E, U, X> {
        self.then(|outcome| outcome.map(change))
    }

    /// Changes the error; as [`then`](Self::then).
    pub fn map_err<Y: Send + 'static>(
        self,
        change: impl FnOnce(X) -> Y + Send + 'static,
    ) -> Operation<E, T, Y> {
        self.then(|outcome| outcome.map_err(change))
    }

    /// Keeps `guard` until the work has ended, even if the operation is dropped before.
    pub fn keep_until_done(self, guard: impl Send + 'static) -> Self {
        self.then(|outcome| {
            drop(guard);
            outcome
        })
    }

    /// Makes the work run on another runtime than the one that polls the operation.
    pub fn run_on(self, runtime: &Handle) -> Self {
        let (sender, events) = EventSender::channel();
        let (runtime, cancellation) = (runtime.clone(), self.cancel.0.clone());
        let work = async move {
            let work = self.drive(move |event| sender.send(event));
            let mut running = AbortOnDrop(runtime.spawn(work));
            joined((&mut running.0).await).await
        };
        Self::of(Work::Running(Box::pin(work)), events, cancellation)
    }

    /// Passes every event to `on_event`, and returns the outcome.
    pub async fn drive(mut self, mut on_event: impl FnMut(E)) -> Result<T, X> {
        while let Some(event) = self.next_event().await {
            on_event(event);
        }
        self.await
    }

    /// Runs the operation on a runtime of its own, for callers that have none. Passes every event to `on_event`, blocks
    /// until the outcome is there, and returns that; the outer error is that of making the runtime.
    ///
    /// Panics within a runtime, as tokio does where blocking is not allowed.
    pub fn run(self, on_event: impl FnMut(E)) -> io::Result<Result<T, X>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(self.drive(on_event)))
    }

    /// Cancels the operation and waits until its work has come to rest. Returns the outcome if there is one: blocking
    /// work that was committing may have succeeded. Events are discarded.
    pub async fn stop(self) -> Option<Result<T, X>> {
        let is_at_work = self.is_blocking && matches!(self.work, Work::Running(_));
        if !is_at_work && self.outcome.is_none() {
            return None;
        }
        self.cancel.0.cancel();
        Some(self.await)
    }

    /// Waits for the next event. `None` when all have been returned and the outcome is there: `.await` returns it.
    pub async fn next_event(&mut self) -> Option<E> {
        poll_fn(|context| self.poll_next_event(context)).await
    }

    /// Polls for the next event. `None` when all have been returned and the outcome is there: `.await` returns it.
    pub fn poll_next_event(&mut self, context: &mut Context<'_>) -> Poll<Option<E>> {
        loop {
            if let Poll::Ready(Some(event)) = self.events.poll_next(context) {
                return Poll::Ready(Some(event));
            }
            match &mut self.work {
                Work::Ended => return Poll::Ready(None),
                Work::Blocking(..) => self.start(),
                Work::Running(work) => {
                    let Poll::Ready(outcome) = work.as_mut().poll(context) else {
                        return Poll::Pending;
                    };
                    // Once more around: the work may have sent events in its last step.
                    self.work = Work::Ended;
                    self.outcome = Some(outcome);
                }
            }
        }
    }

    /// Starts blocking work on a thread of the current runtime.
    fn start(&mut self) {
        let work = match std::mem::replace(&mut self.work, Work::Ended) {
            Work::Blocking(work, sender) => {
                let context =
                    BlockingContext::new(Handle::current(), self.cancel.0.clone(), sender);
                let running = spawn_blocking(move || work(&context));
                Work::Running(Box::pin(async { joined(running.await).await }))
            }
            work => work,
        };
        self.work = work;
    }
}

/// Passes a panic of the work on. Work that a runtime drops in its shutdown never ends.
async fn joined<T>(ended: Result<T, JoinError>) -> T {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(outcome) => outcome,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_cancelled)) => std::future::pending().await,
    }
}

impl<E, T, X> Stream for Operation<E, T, X>
where
    E: Event,
    T: Send + 'static,
    X: Send + 'static,
{
    type Item = E;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<E>> {
        self.get_mut().poll_next_event(context)
    }
}

impl<E, T, X> IntoFuture for Operation<E, T, X>
where
    E: Event,
    T: Send + 'static,
    X: Send + 'static,
{
    type Output = Result<T, X>;
    type IntoFuture = OutcomeFuture<E, T, X>;

    fn into_future(self) -> OutcomeFuture<E, T, X> {
        OutcomeFuture(self)
    }
}

impl<E, T, X> Future for OutcomeFuture<E, T, X>
where
    E: Event,
    T: Send + 'static,
    X: Send + 'static,
{
    type Output = Result<T, X>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, X>> {
        let Self(operation) = self.get_mut();
        while let Some(event) = std::task::ready!(operation.poll_next_event(context)) {
            drop(event);
        }
        let outcome = operation.outcome.take();
        Poll::Ready(outcome.expect("it is polled until it is ready, and no longer"))
    }
}

/// No field is pinned in place.
impl<E, T, X> Unpin for Operation<E, T, X> {}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<E, T, X> fmt::Debug for Operation<E, T, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("is_blocking", &self.is_blocking)
            .field("is_ended", &matches!(self.work, Work::Ended))
            .finish_non_exhaustive()
    }
}
