//! HTTP/1.1 on one connection.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::accepted_connection::{AcceptedConnection, AcceptedStream};
use crate::request_clock::{RequestClock, RequestTimeout};
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
    let timeouts = &options.timeouts;
    let stream: Box<dyn Duplex> = match stream {
        AcceptedStream::Unix(stream) => Box::new(WriteTimeout::new(stream, timeouts.write)),
        AcceptedStream::Tcp(stream) => Box::new(WriteTimeout::new(stream, timeouts.write)),
    };
    let stream: Box<dyn Duplex> = match tls {
        None => stream,
        Some(tls) => {
            let secured = tokio::select! {
                secured = handshake(stream, &tls, timeouts.handshake) => secured,
                () = shutdown.begun() => return,
            };
            match secured {
                Ok(stream) => Box::new(stream),
                Err(error) => {
                    tracing::warn!(%error, ?peer, "TLS handshake failed");
                    return;
                }
            }
        }
    };
    serve_stream(stream, options, shutdown, respond).await;
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
    let stream = RequestTimeout::new(stream, clock.clone(), header, idle);
    let service = service_fn(move |request| {
        let in_progress = clock.begin();
        let response = respond(request);
        async move {
            let response = response.await;
            Ok::<_, Infallible>(response.map(|body| in_progress.until_sent(body)))
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_buf_size(options.max_head_bytes.max(MIN_HEAD_BYTES))
        .half_close(false);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        let error: &dyn Error = &error;
        tracing::debug!(error, "a connection ended early");
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
