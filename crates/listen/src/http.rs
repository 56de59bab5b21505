//! HTTP/1.1 on one connection.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::accepted_connection::{AcceptedConnection, AcceptedStream};
use crate::encoded_target::EncodedTarget;
use crate::hangup::hung_up;
use crate::linger::discard_rest;
use crate::request_clock::{RequestClock, RequestTimeout};
use crate::shared_stream::SharedStream;
use crate::{ServerTls, Shutdown, WriteTimeout};

/// How long each phase of a connection may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionTimeouts {
    /// The TLS handshake.
    pub handshake: Duration,
    /// The head of a request, from its first byte to its last.
    pub header: Duration,
    /// From the end of a response to the next request; `None` for no limit.
    pub idle: Option<Duration>,
    /// A write that makes no progress, because the client does not read.
    pub write: Duration,
}

/// How HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// How long each phase may take.
    pub timeouts: ConnectionTimeouts,
    /// The longest head of a request, in bytes; values below 8192 count as 8192.
    pub max_head_bytes: usize,
}

/// The smallest buffer that hyper accepts, in bytes.
const MIN_HEAD_BYTES: usize = 8192;

/// The maximum number of header fields of a request. Proxies and tracing add many; Go limits only their bytes.
const MAX_HEADERS: usize = 1024;

/// When a client that has a request in progress counts as disconnected.
#[derive(Clone, Copy, Debug)]
enum ClosedWhen<'a> {
    /// When it has closed both directions of its Unix socket.
    HungUp(&'a UnixStream),
    /// When a write fails: a TCP peer does not report whether it closes one direction or both.
    WriteFails,
    /// When it has closed its writing end, for TLS, where that ends the connection.
    ReadEnds,
}

/// Both directions of a connection.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// Answers the requests of one connection by `respond`, until the client disconnects, a timeout expires or the shutdown
/// begins; then a request in progress is answered to its end.
pub async fn serve_http<F, B>(
    accepted: AcceptedConnection,
    options: &HttpOptions,
    shutdown: &Shutdown,
    respond: impl Fn(Request<Incoming>) -> F,
) where
    F: Future<Output = Response<B>>,
    B: Body + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let AcceptedConnection { stream, peer, tls } = accepted;
    let write = options.timeouts.write;
    let Some(tls) = tls else {
        return match stream {
            AcceptedStream::Unix(socket) => {
                let socket = Arc::new(socket);
                let stream = WriteTimeout::new(SharedStream::new(Arc::clone(&socket)), write);
                let closed = ClosedWhen::HungUp(&socket);
                serve_stream(stream, closed, options, shutdown, respond).await;
            }
            AcceptedStream::Tcp(socket) => {
                let stream = WriteTimeout::new(socket, write);
                serve_stream(stream, ClosedWhen::WriteFails, options, shutdown, respond).await;
            }
        };
    };
    let stream: Box<dyn Duplex> = match stream {
        AcceptedStream::Unix(socket) => Box::new(WriteTimeout::new(socket, write)),
        AcceptedStream::Tcp(socket) => Box::new(WriteTimeout::new(socket, write)),
    };
    let secured = tokio::select! {
        secured = handshake(stream, &tls, options.timeouts.handshake) => secured,
        () = shutdown.begun() => return,
    };
    match secured {
        Ok(stream) => {
            serve_stream(stream, ClosedWhen::ReadEnds, options, shutdown, respond).await;
        }
        Err(error) => tracing::warn!(%error, ?peer, "TLS handshake failed"),
    }
}

async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    tls: &ServerTls,
    limit: Duration,
) -> io::Result<tokio_rustls::server::TlsStream<S>> {
    match timeout(limit, tls.acceptor().accept(stream)).await {
        Ok(stream) => stream,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn serve_stream<S, F, B>(
    stream: S,
    closed: ClosedWhen<'_>,
    options: &HttpOptions,
    shutdown: &Shutdown,
    respond: impl Fn(Request<Incoming>) -> F,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Response<B>>,
    B: Body + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let ConnectionTimeouts { header, idle, .. } = options.timeouts;
    let clock = RequestClock::default();
    let stream = EncodedTarget::new(stream, clock.clone());
    let mut stream = RequestTimeout::new(stream, clock.clone(), header, idle);
    let service = service_fn(|request| {
        let in_progress = clock.begin();
        // hyper reserves the size of this future for each connection, and that of a handler is large.
        let response = Box::pin(respond(request));
        async move {
            let response = response.await;
            Ok::<_, Infallible>(response.map(|body| in_progress.until_sent(body)))
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_buf_size(options.max_head_bytes.max(MIN_HEAD_BYTES))
        .max_headers(MAX_HEADERS)
        .half_close(closed.allows_half_close());
    let ended = {
        // hyper borrows the stream, so that it can be read after hyper has shut down its writing end.
        let io = TokioIo::new(&mut stream);
        let mut connection = pin!(builder.serve_connection(io, service));
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = closed.wait(&clock) => return,
            () = shutdown.begun() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = closed.wait(&clock) => return,
                }
            }
        }
    };
    let timed_out = ended.as_ref().is_err_and(is_timeout);
    if let Err(error) = ended {
        let error: &dyn Error = &error;
        tracing::debug!(error, "a connection ended early");
    }
    if !timed_out {
        tokio::select! {
            biased;
            () = shutdown.begun() => {}
            () = discard_rest(stream) => {}
        }
    }
}

/// Returns whether a connection ended because of one of its timeouts.
fn is_timeout(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::TimedOut)
}

impl ClosedWhen<'_> {
    fn allows_half_close(self) -> bool {
        match self {
            Self::HungUp(_) | Self::WriteFails => true,
            Self::ReadEnds => false,
        }
    }

    /// Waits until the client has closed the connection, if hyper does not notice it.
    async fn wait(self, clock: &RequestClock) {
        match self {
            Self::HungUp(socket) => hung_up(socket, clock).await,
            Self::WriteFails | Self::ReadEnds => pending().await,
        }
    }
}

/// Returns the response to send to connections above the limit: 503 with `body`, and the advice to come back after a
/// second.
pub fn overload_response(content_type: &str, body: &[u8]) -> Bytes {
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nRetry-After: 1\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    let mut response = BytesMut::from(head.as_bytes());
    response.put_slice(body);
    response.freeze()
}

#[cfg(test)]
mod tests;
