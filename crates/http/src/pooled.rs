//! Pooled connections, with what was observed on each.
//!
//! A server may close an idle connection while the next request is on its way. That request may be sent again
//! only if the connection was not new and no byte of a response arrived. The pool reports neither, so both
//! are recorded here.

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
use crate::stream::NetworkStream;

/// A connection that records reads and writes.
#[derive(Debug)]
pub(crate) struct TrackedStream {
    pub(crate) stream: NetworkStream,
    /// Whether HTTP/2 was negotiated.
    pub(crate) h2: bool,
    /// Whether it ends at a proxy that relays requests, which requires the absolute URI.
    pub(crate) proxied: bool,
    observations: Observations,
}

/// The observations, shared with the pool.
#[derive(Clone, Debug, Default)]
struct Observations(Arc<ObservationFlags>);

#[derive(Debug, Default)]
struct ObservationFlags {
    /// Whether the head of a response has arrived on the connection.
    has_response: AtomicBool,
    /// Whether a byte arrived after the last write.
    received_since_write: AtomicBool,
}

/// The connection that a request is assigned to, once it has one.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionHandle(CaptureConnection);

impl TrackedStream {
    pub(crate) fn new(stream: NetworkStream, h2: bool, proxied: bool) -> Self {
        Self {
            stream,
            h2,
            proxied,
            observations: Observations::default(),
        }
    }
}

impl ConnectionHandle {
    /// Captures the connection that `request` is going to be assigned to.
    pub(crate) fn of<B>(request: &mut Request<B>) -> Self {
        Self(capture_connection(request))
    }

    /// Returns whether the request has a connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.0.connection_metadata().is_some()
    }

    /// Removes the connection from the pool. Another request on a peer that stopped responding would time out
    /// as well.
    pub(crate) fn discard(&self) {
        if let Some(connected) = &*self.0.connection_metadata() {
            connected.poison();
        }
    }

    /// Records that the head of a response arrived.
    pub(crate) fn record_response(&self) {
        if let Some(Observations(flags)) = self.observations() {
            flags.has_response.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether the connection had been used before, and was closed before the server can have begun
    /// to respond.
    pub(crate) fn is_stale(&self, cause: &Cause) -> bool {
        let Some(Observations(flags)) = self.observations() else {
            return false;
        };
        let unanswered = match cause.find::<h2::Error>() {
            Some(error) => error.is_io() || is_unprocessed(error),
            None => !flags.received_since_write.load(Ordering::Relaxed),
        };
        flags.has_response.load(Ordering::Relaxed) && unanswered
    }

    fn observations(&self) -> Option<Observations> {
        let mut extras = Extensions::new();
        self.0
            .connection_metadata()
            .as_ref()?
            .get_extras(&mut extras);
        extras.remove()
    }
}

/// Returns whether the server reported that it did not process the request (RFC 9113 section 8.7).
fn is_unprocessed(error: &h2::Error) -> bool {
    let reason = error.reason();
    error.is_remote()
        && (reason == Some(h2::Reason::REFUSED_STREAM)
            || (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)))
}

impl Connection for TrackedStream {
    fn connected(&self) -> Connected {
        let connected = Connected::new()
            .proxy(self.proxied)
            .extra(self.observations.clone());
        if self.h2 {
            connected.negotiated_h2()
        } else {
            connected
        }
    }
}

impl AsyncRead for TrackedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.observations
                .0
                .received_since_write
                .store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for TrackedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.observations
            .0
            .received_since_write
            .store(false, Ordering::Relaxed);
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.observations
            .0
            .received_since_write
            .store(false, Ordering::Relaxed);
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
