//! A connection as the pool holds it, and what is remembered about it.
//!
//! A server may close a connection that lies idle while the next request is on its way to it. To send that
//! request again is only right if the connection was no new one and no byte of an answer came. The pool
//! tells neither, so both are noted here.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::{Extensions, Request};
use hyper_util::client::legacy::connect::{
    CaptureConnection, Connected, Connection, capture_connection,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::cause::Cause;
use crate::stream::Stream;

/// A connection that notes what goes over it.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: Stream,
    /// HTTP/2 was agreed upon.
    pub(crate) h2: bool,
    /// It ends at a proxy that wants to know the whole URI.
    pub(crate) proxied: bool,
    notes: Notes,
}

/// What is remembered about a connection.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Marks>);

#[derive(Debug, Default)]
struct Marks {
    /// It has brought the head of a response.
    answered: AtomicBool,
    /// A byte came after the last one that was written.
    heard: AtomicBool,
}

/// The connection that a request is given, once it is given one.
#[derive(Clone, Debug)]
pub(crate) struct Line(CaptureConnection);

impl Wire {
    pub(crate) fn new(stream: Stream, h2: bool, proxied: bool) -> Self {
        Self {
            stream,
            h2,
            proxied,
            notes: Notes::default(),
        }
    }
}

impl Line {
    /// Will know the connection that `request` is given.
    pub(crate) fn of<B>(request: &mut Request<B>) -> Self {
        Self(capture_connection(request))
    }

    /// Tells whether there is a connection yet.
    pub(crate) fn is_connected(&self) -> bool {
        self.0.connection_metadata().is_some()
    }

    /// Keeps the connection from being used for another request. A peer that has fallen silent once would
    /// take the patience of all others, too.
    pub(crate) fn give_up(&self) {
        if let Some(connected) = &*self.0.connection_metadata() {
            connected.poison();
        }
    }

    /// Notes that the head of a response came.
    pub(crate) fn answered(&self) {
        if let Some(Notes(marks)) = self.notes() {
            marks.answered.store(true, Ordering::Relaxed);
        }
    }

    /// Tells whether the connection had been used before, and was closed before the server can have begun
    /// to answer this request.
    pub(crate) fn was_stale(&self, cause: &Cause) -> bool {
        let Some(Notes(marks)) = self.notes() else {
            return false;
        };
        let unanswered = match cause.find::<h2::Error>() {
            Some(error) => error.is_io() || is_refusal(error),
            None => !marks.heard.load(Ordering::Relaxed),
        };
        marks.answered.load(Ordering::Relaxed) && unanswered
    }

    fn notes(&self) -> Option<Notes> {
        let mut extras = Extensions::new();
        self.0
            .connection_metadata()
            .as_ref()?
            .get_extras(&mut extras);
        extras.remove()
    }
}

/// Tells whether the server said that it did not look at the request (RFC 9113 section 8.7).
fn is_refusal(error: &h2::Error) -> bool {
    let reason = error.reason();
    error.is_remote()
        && (reason == Some(h2::Reason::REFUSED_STREAM)
            || (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)))
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        let connected = Connected::new()
            .proxy(self.proxied)
            .extra(self.notes.clone());
        if self.h2 {
            connected.negotiated_h2()
        } else {
            connected
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.notes.0.heard.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.notes.0.heard.store(false, Ordering::Relaxed);
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.notes.0.heard.store(false, Ordering::Relaxed);
        Pin::new(&mut this.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
