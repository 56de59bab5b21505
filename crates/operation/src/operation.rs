//! An operation: work, its events and its outcome.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio::runtime::{Builder, Handle};
use tokio::task::coop::poll_proceed;
use tokio::task::{JoinError, JoinHandle};

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
    /// Where the work runs, if that is not the runtime that polls the operation.
    runtime: Option<Handle>,
    is_blocking: bool,
}

/// The outcome of an [`Operation`], as a future. Its events are discarded.
#[derive(Debug)]
#[must_use = "nothing happens before an operation is polled"]
pub struct OutcomeFuture<E, T, X>(Operation<E, T, X>);

type FutureWork<T, X> = Pin<Box<dyn Future<Output = Result<T, X>> + Send>>;
type BlockingWork<E, T, X> = Box<dyn FnOnce(&BlockingContext<E>) -> Result<T, X> + Send>;

enum Work<E, T, X> {
    /// A future that has not been started.
    Future(FutureWork<T, X>),
    /// Blocking work that has not been started, and the sender for its events.
    Blocking(BlockingWork<E, T, X>, EventSender<E>),
    /// A future that is polled in place, or one that waits for work on a thread or another runtime.
    Running(FutureWork<T, X>),
    /// The outcome, until it is taken.
    Ended(Option<Result<T, X>>),
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
        Self::of(Work::Future(Box::pin(work(sender))), events)
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
            ..Self::of(work, events)
        }
    }

    fn of(work: Work<E, T, X>, events: EventReceiver<E>) -> Self {
        Self {
            cancel: CancelOnDrop(Cancellation::default()),
            work,
            events,
            runtime: None,
            is_blocking: false,
        }
    }

    /// Changes the outcome where the work runs: of blocking work also when the operation is dropped and the work goes on
    /// to its end. Once the operation has been polled, the outcome is changed where it is polled.
    pub fn then<U, Y>(
        self,
        change: impl FnOnce(Result<T, X>) -> Result<U, Y> + Send + 'static,
    ) -> Operation<E, U, Y>
    where
        U: Send + 'static,
        Y: Send + 'static,
    {
        let work = match self.work {
            Work::Future(work) => Work::Future(Box::pin(async move { change(work.await) })),
            Work::Blocking(work, sender) => {
                let work = move |context: &BlockingContext<E>| change(work(context));
                Work::Blocking(Box::new(work), sender)
            }
            Work::Running(work) => Work::Running(Box::pin(async move { change(work.await) })),
            Work::Ended(outcome) => Work::Ended(outcome.map(change)),
        };
        Operation {
            cancel: self.cancel,
            work,
            events: self.events,
            runtime: self.runtime,
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

    /// Keeps `guard` until the work has ended, also if the operation is dropped before. Call it before the first poll, as
    /// for [`then`](Self::then).
    pub fn keep_until_done(self, guard: impl Send + 'static) -> Self {
        self.then(|outcome| {
            drop(guard);
            outcome
        })
    }

    /// Makes the work run on another runtime than the one that polls the operation. Work that has been started stays
    /// where it is.
    pub fn run_on(self, runtime: &Handle) -> Self {
        Self {
            runtime: Some(runtime.clone()),
            ..self
        }
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

    /// Cancels the operation and waits until blocking work has come to rest. Returns the outcome if there is one: blocking
    /// work that was committing may have succeeded. A future is dropped. Events are discarded.
    pub async fn stop(self) -> Option<Result<T, X>> {
        let has_outcome = match &self.work {
            Work::Future(_) | Work::Blocking(..) => false,
            Work::Running(_) => self.is_blocking,
            Work::Ended(outcome) => outcome.is_some(),
        };
        if !has_outcome {
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
            // Where events never pause, other tasks run between two of them.
            let budget = ready!(poll_proceed(context));
            if let Poll::Ready(Some(event)) = self.events.poll_next(context) {
                budget.made_progress();
                return Poll::Ready(Some(event));
            }
            drop(budget);
            match &mut self.work {
                Work::Ended(_) => return Poll::Ready(None),
                Work::Future(_) | Work::Blocking(..) => self.start(),
                Work::Running(work) => {
                    let outcome = ready!(work.as_mut().poll(context));
                    // Once more around: the work may have sent events in its last step.
                    self.work = Work::Ended(Some(outcome));
                }
            }
        }
    }

    fn take_outcome(&mut self) -> Option<Result<T, X>> {
        match &mut self.work {
            Work::Ended(outcome) => outcome.take(),
            Work::Future(_) | Work::Blocking(..) | Work::Running(_) => None,
        }
    }

    /// Starts blocking work on a thread, and a future where it is to be polled.
    fn start(&mut self) {
        self.work = match std::mem::replace(&mut self.work, Work::Ended(None)) {
            Work::Future(work) => match self.runtime.take() {
                Some(runtime) => {
                    let mut running = AbortOnDrop(runtime.spawn(work));
                    Work::Running(Box::pin(
                        async move { joined((&mut running.0).await).await },
                    ))
                }
                None => Work::Running(work),
            },
            Work::Blocking(work, sender) => {
                let runtime = self.runtime.take().unwrap_or_else(Handle::current);
                let cancellation = self.cancel.0.clone();
                let context = BlockingContext::new(runtime.clone(), cancellation, sender);
                let running = runtime.spawn_blocking(move || work(&context));
                Work::Running(Box::pin(async { joined(running.await).await }))
            }
            work @ (Work::Running(_) | Work::Ended(_)) => work,
        };
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
        while let Some(event) = ready!(operation.poll_next_event(context)) {
            drop(event);
        }
        let outcome = operation.take_outcome();
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
            .field("is_ended", &matches!(self.work, Work::Ended(_)))
            .finish_non_exhaustive()
    }
}
