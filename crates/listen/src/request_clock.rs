//! Disconnects a client that sends no request, or only a part of one.
//!
//! hyper's own header timeout covers the time between requests as well, so that with it a client could not keep an idle
//! connection. Here the two are apart: the stream counts time while no request is in progress, and the service reports
//! when one begins and ends. A response ends when its last byte is written, which may be long after hyper has dropped its
//! body: until then the write timeout applies, and no other.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

/// The phase of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestClock(Arc<ClockState>);

#[derive(Debug, Default)]
struct ClockState {
    /// Even between requests, odd while one is in progress.
    count: AtomicU64,
    /// The task whose read is pending. hyper does not read again when a response is sent, so the stream has to be polled
    /// for its timer to start.
    reader: Mutex<Option<Waker>>,
    begun: Notify,
}

/// A request in progress, until it is dropped.
#[derive(Debug)]
pub(crate) struct RequestInProgress {
    clock: RequestClock,
    count: u64,
}

/// A stream whose reads fail with [`io::ErrorKind::TimedOut`] when a request does not arrive in time.
#[derive(Debug)]
pub(crate) struct RequestTimeout<S> {
    stream: S,
    clock: RequestClock,
    /// From the first byte of a request's head to its last.
    header: Duration,
    /// From the end of a response to the first byte of the next request.
    idle: Option<Duration>,
    /// The value of the clock that `timer` belongs to.
    count: u64,
    has_begun: bool,
    /// Whether bytes of a response wait for the client to read.
    is_writing: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

/// The body of a response; the request is in progress until it is sent or dropped.
#[derive(Debug)]
pub(crate) struct TrackedBody<B> {
    body: B,
    _request: RequestInProgress,
}

impl RequestClock {
    /// Marks the beginning of a request: its head has arrived.
    pub(crate) fn begin(&self) -> RequestInProgress {
        // The body of the response before may not be dropped yet: then the count is odd, and stays so.
        let before = self.count();
        let count = before + 1 + before % 2;
        self.0.count.store(count, Ordering::Relaxed);
        self.0.begun.notify_one();
        let clock = self.clone();
        RequestInProgress { clock, count }
    }

    /// Returns a number that changes when a request begins and when it ends.
    pub(crate) fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Returns whether a request was in progress when the clock had the value `count`.
    pub(crate) fn is_in_progress(count: u64) -> bool {
        !count.is_multiple_of(2)
    }

    /// Returns whether a request is in progress.
    pub(crate) fn has_request(&self) -> bool {
        Self::is_in_progress(self.count())
    }

    /// Waits for a request that begins, or has begun since the last call. There is one caller.
    pub(crate) async fn request_begun(&self) {
        self.0.begun.notified().await;
    }

    fn reader(&self) -> MutexGuard<'_, Option<Waker>> {
        self.0.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the connection read again, which starts the timer of the next phase.
    fn wake_reader(&self) {
        let reader = self.reader().take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl RequestInProgress {
    /// Binds the request to the body that answers it.
    pub(crate) fn until_sent<B>(self, body: B) -> TrackedBody<B> {
        TrackedBody {
            body,
            _request: self,
        }
    }
}

impl Drop for RequestInProgress {
    fn drop(&mut self) {
        // Another request may have begun already.
        let (own, next) = (self.count, self.count + 1);
        let count = &self.clock.0.count;
        let _is_last = count.compare_exchange(own, next, Ordering::Relaxed, Ordering::Relaxed);
        self.clock.wake_reader();
    }
}

impl<S> RequestTimeout<S> {
    pub(crate) fn new(
        stream: S,
        clock: RequestClock,
        header: Duration,
        idle: Option<Duration>,
    ) -> Self {
        Self {
            stream,
            count: clock.count(),
            clock,
            header,
            idle,
            has_begun: false,
            is_writing: false,
            timer: None,
        }
    }

    /// Records whether a write waits for the client.
    fn track_write<T>(&mut self, poll: Poll<T>) -> Poll<T> {
        let was_writing = std::mem::replace(&mut self.is_writing, poll.is_pending());
        if was_writing && !self.is_writing {
            self.clock.wake_reader();
        }
        poll
    }

    /// Starts the timer of the current phase if it does not run; returns whether it has expired.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = if self.has_begun {
            Some(self.header)
        } else {
            self.idle
        };
        let Some(limit) = limit else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RequestTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let count = this.clock.count();
        let is_between_requests = !RequestClock::is_in_progress(count) && !this.is_writing;
        if count != this.count || !is_between_requests {
            this.count = count;
            this.has_begun = false;
            this.timer = None;
        }
        let before = buffer.filled().len();
        let poll = Pin::new(&mut this.stream).poll_read(context, buffer);
        if !is_between_requests {
            if poll.is_pending() {
                *this.clock.reader() = Some(context.waker().clone());
            }
            return poll;
        }
        if poll.is_ready() {
            if !this.has_begun && buffer.filled().len() > before {
                this.has_begun = true;
                this.timer = Some(Box::pin(sleep(this.header)));
            }
            return poll;
        }
        ready!(this.poll_timer(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RequestTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.track_write(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.track_write(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.track_write(poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<B: Body + Unpin> Body for TrackedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
