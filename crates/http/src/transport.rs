//! Sends requests over pooled connections.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::Authority;
use http::{HeaderValue, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout};

use crate::cause::Cause;
use crate::connection::ConnectionConfig;
use crate::connector::{Connector, ConnectorInner};
use crate::dial::Dialer;
use crate::error::{ProxyFailure, SendError, SendPhase, SetupError};
use crate::pooled::ConnectionHandle;
use crate::proxy::ProxyRoutes;
use crate::request_body::{RequestBody, StreamingBody};
use crate::resolve::{NameResolver, SystemResolver};
use crate::response::Response;
use crate::target::TargetOrigin;
use crate::tls::TlsHandshaker;

/// How long a connection may be idle before it is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// The maximum size of the head of a response in HTTP/1.1, and of one read from a socket.
const MAX_READ: usize = 256 << 10;

/// The maximum size of the head of a response in HTTP/2, as RFC 9113 section 6.5.2 counts it.
const MAX_HEADER_LIST: u32 = 64 << 10;

/// How long an HTTP/2 connection with open streams may be silent before a ping.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long the peer may take to respond to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Transport(Arc<TransportInner>);

struct TransportInner {
    client: Client<Connector, RequestBody>,
    inner: Arc<ConnectorInner>,
}

impl Transport {
    /// Creates a transport. It connects to nothing yet.
    pub fn new(connection: &ConnectionConfig) -> Result<Self, SetupError> {
        Self::with_resolver(connection, SystemResolver)
    }

    /// Creates a transport that resolves all names with `resolver`, including those of proxies.
    pub fn with_resolver(
        connection: &ConnectionConfig,
        resolver: impl NameResolver,
    ) -> Result<Self, SetupError> {
        let user_agent = HeaderValue::try_from(&connection.user_agent);
        let inner = Arc::new(ConnectorInner {
            dialer: Dialer {
                resolver: Arc::new(resolver),
            },
            handshaker: TlsHandshaker::new(&connection.tls, connection.versions)?,
            routes: ProxyRoutes::new(&connection.proxies)?,
            address_policy: connection.address_policy,
            connect_timeout: connection.connect,
            user_agent: user_agent.map_err(|_| SetupError::UserAgent)?,
        });
        let client = build_client(Connector(inner.clone()));
        Ok(Self(Arc::new(TransportInner { client, inner })))
    }

    /// Sends `request` to the host of its URI and waits up to `response_timeout` for the head of the response,
    /// including the time for a new connection.
    ///
    /// Sets `User-Agent` if it is missing, sets `Host` and `Content-Length`, and removes credentials from the
    /// URI; everything else is left to the caller. Any status is a response, except a 407 from a proxy that
    /// relays the request.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        response_timeout: Duration,
    ) -> Result<Response, SendError> {
        let started = Instant::now();
        let target = TargetOrigin::of(request.uri())?;
        let request = self.with_default_headers(request, &target)?;
        let mut may_repeat = request.method().is_idempotent();
        loop {
            let mut attempt = request.clone().map(|bytes| RequestBody::Whole(Some(bytes)));
            let connection = ConnectionHandle::of(&mut attempt);
            let left = response_timeout.saturating_sub(started.elapsed());
            match timeout(left, self.0.client.request(attempt)).await {
                Ok(Ok(head)) => {
                    connection.record_response();
                    return self.check_proxy_status(Response::new(head, connection), &target);
                }
                Ok(Err(error)) => {
                    let cause = Cause::new(error);
                    if !(may_repeat && connection.is_stale(&cause)) {
                        return Err(SendError::from_cause(cause));
                    }
                    may_repeat = false;
                }
                Err(_) => return Err(timed_out(&connection)),
            }
        }
    }

    /// Sends `request` with a streamed body and waits for the head of the response: as long as bytes are
    /// sent, and then up to `response_timeout`.
    ///
    /// The request is never sent again: the body can be read once only.
    pub async fn send_stream(
        &self,
        request: Request<StreamingBody>,
        response_timeout: Duration,
    ) -> Result<Response, SendError> {
        let target = TargetOrigin::of(request.uri())?;
        let sent = Arc::new(AtomicU64::new(0));
        let (parts, body) = request.into_parts();
        let request =
            self.with_default_headers(Request::from_parts(parts, Bytes::new()), &target)?;
        let mut request = request.map(|_| body.into_body(Arc::clone(&sent)));
        let connection = ConnectionHandle::of(&mut request);
        let mut head = pin!(self.0.client.request(request));
        let mut before = None;
        loop {
            match timeout(response_timeout, &mut head).await {
                Ok(Ok(head)) => {
                    connection.record_response();
                    return self.check_proxy_status(Response::new(head, connection), &target);
                }
                Ok(Err(error)) => return Err(SendError::from_cause(Cause::new(error))),
                Err(_) => {
                    let now = sent.load(Ordering::Relaxed);
                    if before.replace(now) == Some(now) || now == 0 {
                        return Err(timed_out(&connection));
                    }
                }
            }
        }
    }

    fn with_default_headers(
        &self,
        mut request: Request<Bytes>,
        target: &TargetOrigin,
    ) -> Result<Request<Bytes>, SendError> {
        let inner = &self.0.inner;
        *request.uri_mut() = without_userinfo(request.uri())?;
        request
            .headers_mut()
            .entry(USER_AGENT)
            .or_insert_with(|| inner.user_agent.clone());
        if let Some(authorization) = inner
            .routes
            .relay_for(target)
            .and_then(crate::proxy::ProxyServer::authorization)
        {
            request
                .headers_mut()
                .insert(PROXY_AUTHORIZATION, authorization);
        }
        Ok(request)
    }

    fn check_proxy_status(
        &self,
        response: Response,
        target: &TargetOrigin,
    ) -> Result<Response, SendError> {
        let relayed = self.0.inner.routes.relay_for(target).is_some();
        if relayed && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let source = ProxyFailure::Credentials;
            return Err(SendError::Proxy { source });
        }
        Ok(response)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

fn build_client(connector: Connector) -> Client<Connector, RequestBody> {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        // The read buffer grows up to this size while reads fill it. Body bytes are passed on as they were
        // read.
        .http1_max_buf_size(MAX_READ)
        // Throughput is limited to one window per round trip; hyper's default windows halve it.
        .http2_initial_stream_window_size(8 << 20)
        .http2_initial_connection_window_size(16 << 20)
        .http2_max_frame_size(1 << 20)
        .http2_max_header_list_size(MAX_HEADER_LIST)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .build(connector)
}

/// Returns the timeout error, and removes the connection from the pool.
fn timed_out(connection: &ConnectionHandle) -> SendError {
    connection.discard();
    let waiting_for = if connection.is_connected() {
        SendPhase::Response
    } else {
        SendPhase::Connection
    };
    SendError::Timeout { waiting_for }
}

/// Removes credentials from the URI: hyper would send them to a proxy, and to any HTTP/2 server.
fn without_userinfo(uri: &Uri) -> Result<Uri, SendError> {
    let authority = uri.authority().map_or("", Authority::as_str);
    let Some((_, place)) = authority.rsplit_once('@') else {
        return Ok(uri.clone());
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(place.parse().map_err(|_| SendError::Uri)?);
    Uri::from_parts(parts).map_err(|_| SendError::Uri)
}
