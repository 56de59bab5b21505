//! Sends requests, over connections that are kept.

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
use crate::connection::Connection;
use crate::connector::{Connector, Ways};
use crate::dial::Dialer;
use crate::error::{ProxyFailure, SendError, SendPhase, SetupError};
use crate::line::Line;
use crate::outgoing::{Sending, StreamingBody};
use crate::proxy::Routes;
use crate::resolve::{NameResolver, SystemResolver};
use crate::response::Response;
use crate::target::Target;
use crate::tls::Handshakes;

/// How long a connection lies idle before it is closed.
const IDLE: Duration = Duration::from_secs(90);

/// The largest head of a response in HTTP/1.1, and the most that is read from a socket at a time.
const LARGEST_READ: usize = 256 << 10;

/// The largest head of a response in HTTP/2, as RFC 9113 section 6.5.2 counts it.
const LARGEST_HEADER_LIST: u32 = 64 << 10;

/// How long an HTTP/2 connection with open streams is silent before it is asked whether it is still there,
/// and how long it has to answer.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// Sends requests. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Transport(Arc<Shared>);

struct Shared {
    client: Client<Connector, Sending>,
    ways: Arc<Ways>,
}

impl Transport {
    /// Makes a transport. Nothing is connected yet.
    pub fn new(connection: &Connection) -> Result<Self, SetupError> {
        Self::with_resolver(connection, SystemResolver)
    }

    /// Makes a transport that looks names up by `resolver`, those of its proxies included.
    pub fn with_resolver(
        connection: &Connection,
        resolver: impl NameResolver,
    ) -> Result<Self, SetupError> {
        let user_agent = HeaderValue::try_from(&connection.user_agent);
        let ways = Arc::new(Ways {
            dialer: Dialer {
                resolver: Arc::new(resolver),
            },
            handshakes: Handshakes::new(&connection.tls, connection.versions)?,
            routes: Routes::new(&connection.proxies)?,
            reach: connection.reach,
            limit: connection.connect,
            user_agent: user_agent.map_err(|_| SetupError::UserAgent)?,
        });
        let client = pool(Connector(ways.clone()));
        Ok(Self(Arc::new(Shared { client, ways })))
    }

    /// Sends `request`, whose URI says where to, and waits for the head of the response, at most for as long
    /// as `patience`. (The time that a new connection takes is part of it.)
    ///
    /// `User-Agent` is added where there is none, `Host` and `Content-Length` are as they must be, and
    /// credentials in the URI are left out; all else is up to the caller. Any status is a response, but that
    /// 407 with which a proxy refuses to relay the request.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        patience: Duration,
    ) -> Result<Response, SendError> {
        let started = Instant::now();
        let target = Target::of(request.uri())?;
        let request = self.complete(request, &target)?;
        let mut may_repeat = request.method().is_idempotent();
        loop {
            let mut attempt = request.clone().map(|bytes| Sending::Whole(Some(bytes)));
            let line = Line::of(&mut attempt);
            let left = patience.saturating_sub(started.elapsed());
            match timeout(left, self.0.client.request(attempt)).await {
                Ok(Ok(head)) => {
                    line.answered();
                    return self.judge(Response::new(head, line), &target);
                }
                Ok(Err(error)) => {
                    let cause = Cause::new(error);
                    if !(may_repeat && line.was_stale(&cause)) {
                        return Err(SendError::of(cause));
                    }
                    may_repeat = false;
                }
                Err(_) => return Err(too_late(&line)),
            }
        }
    }

    /// Sends `request` with a body that comes piece by piece, and waits for the head of the response: for as long as
    /// bytes go out, and then at most for as long as `patience`.
    ///
    /// What was sent is never sent again: the body is gone.
    pub async fn send_stream(
        &self,
        request: Request<StreamingBody>,
        patience: Duration,
    ) -> Result<Response, SendError> {
        let target = Target::of(request.uri())?;
        let sent = Arc::new(AtomicU64::new(0));
        let (parts, body) = request.into_parts();
        let request = self.complete(Request::from_parts(parts, Bytes::new()), &target)?;
        let mut request = request.map(|_| body.into_sending(Arc::clone(&sent)));
        let line = Line::of(&mut request);
        let mut head = pin!(self.0.client.request(request));
        let mut before = None;
        loop {
            match timeout(patience, &mut head).await {
                Ok(Ok(head)) => {
                    line.answered();
                    return self.judge(Response::new(head, line), &target);
                }
                Ok(Err(error)) => return Err(SendError::of(Cause::new(error))),
                Err(_) => {
                    let now = sent.load(Ordering::Relaxed);
                    if before.replace(now) == Some(now) || now == 0 {
                        return Err(too_late(&line));
                    }
                }
            }
        }
    }

    fn complete(
        &self,
        mut request: Request<Bytes>,
        target: &Target,
    ) -> Result<Request<Bytes>, SendError> {
        let ways = &self.0.ways;
        *request.uri_mut() = without_userinfo(request.uri())?;
        request
            .headers_mut()
            .entry(USER_AGENT)
            .or_insert_with(|| ways.user_agent.clone());
        if let Some(authorization) = ways
            .routes
            .relay(target)
            .and_then(crate::proxy::Proxy::authorization)
        {
            request
                .headers_mut()
                .insert(PROXY_AUTHORIZATION, authorization);
        }
        Ok(request)
    }

    fn judge(&self, response: Response, target: &Target) -> Result<Response, SendError> {
        let relayed = self.0.ways.routes.relay(target).is_some();
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

fn pool(connector: Connector) -> Client<Connector, Sending> {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        // Reads grow to this as long as they are filled. A body's bytes are handed on as they were read.
        .http1_max_buf_size(LARGEST_READ)
        // Throughput is at most a window a round trip; hyper's own windows cost half of it.
        .http2_initial_stream_window_size(8 << 20)
        .http2_initial_connection_window_size(16 << 20)
        .http2_max_frame_size(1 << 20)
        .http2_max_header_list_size(LARGEST_HEADER_LIST)
        .http2_keep_alive_interval(PING.0)
        .http2_keep_alive_timeout(PING.1)
        .build(connector)
}

/// A request that is not answered leaves its connection to no other.
fn too_late(line: &Line) -> SendError {
    line.give_up();
    let waiting_for = if line.is_connected() {
        SendPhase::Response
    } else {
        SendPhase::Connection
    };
    SendError::Timeout { waiting_for }
}

/// Leaves credentials out of the URI: hyper would send them on to a proxy, and to any HTTP/2 server.
fn without_userinfo(uri: &Uri) -> Result<Uri, SendError> {
    let authority = uri.authority().map_or("", Authority::as_str);
    let Some((_, place)) = authority.rsplit_once('@') else {
        return Ok(uri.clone());
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(place.parse().map_err(|_| SendError::Uri)?);
    Uri::from_parts(parts).map_err(|_| SendError::Uri)
}
