//! The server: the connections of the API and their requests.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderValue, SERVER};
use hyper::body::Incoming;
use tokio::task::JoinSet;
use windlass_docker_api::{ErrorResponse, NEWEST};
use windlass_listen::{
    AcceptedConnection, AcceptedStream, ConnectionLimit, ConnectionTimeouts, HttpOptions,
    overload_response, serve_http,
};

use crate::Daemon;
use crate::api;
use crate::listener::{DaemonListener, ListenerService};
use crate::request::ApiRequest;
use crate::response::{ApiError, ApiResponse};

/// The resources that clients may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaemonLimits {
    /// The maximum number of connections of each listener. Further ones are refused with 503, over TLS by closing them.
    pub connections: usize,
    /// The timeout for the TLS handshake.
    pub handshake_timeout: Duration,
    /// The timeout for the head of a request, from its first byte to its last.
    pub header_timeout: Duration,
    /// The timeout of an idle TCP connection, from the end of a response to the next request. Idle connections on a unix
    /// socket stay open: a request that the client sends while its connection is closed would fail.
    pub idle_timeout: Duration,
    /// The timeout for a write that makes no progress, because the client does not read.
    pub write_timeout: Duration,
}

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 128 << 10;

impl Default for DaemonLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            // Long enough for `docker save` into a pipe whose reader pauses for minutes.
            write_timeout: Duration::from_secs(300),
        }
    }
}

impl DaemonLimits {
    fn http_options(&self, stream: &AcceptedStream) -> HttpOptions {
        let is_local = matches!(stream, AcceptedStream::Unix(_));
        HttpOptions {
            timeouts: ConnectionTimeouts {
                handshake: self.handshake_timeout,
                header: self.header_timeout,
                idle: (!is_local).then_some(self.idle_timeout),
                write: self.write_timeout,
            },
            max_head_bytes: MAX_HEAD,
        }
    }
}

impl Daemon {
    /// Serves on `listeners` until [`Daemon::shutdown`] begins. Then requests in progress may finish until its deadline;
    /// after that they are cancelled. The partial blobs of cancelled pulls are kept for the next pull.
    ///
    /// Returns after all transfers have ended.
    pub async fn serve(
        self: Arc<Self>,
        listeners: Vec<DaemonListener>,
        limits: DaemonLimits,
    ) -> io::Result<()> {
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(Arc::clone(&self).accept(listener, limits));
        }
        while let Some(ended) = accepting.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        // Without a listener, the loop above ends at once.
        self.shutdown().begun().await;
        let cut = self.connections.drain().await;
        if cut > 0 {
            tracing::warn!(
                connections = cut,
                "cancelled the requests that did not finish in time"
            );
        }
        // Cancelled pulls record how much of each partial blob is valid.
        self.transfers.close();
        self.transfers.wait().await;
        self.engine.idle().await;
        Ok(())
    }

    /// Accepts connections of one listener until the shutdown begins.
    async fn accept(
        self: Arc<Self>,
        listener: DaemonListener,
        limits: DaemonLimits,
    ) -> io::Result<()> {
        let DaemonListener { listener, service } = listener;
        let limit = ConnectionLimit::new(limits.connections, overload());
        let serve = |accepted| Arc::clone(&self).serve_connection(accepted, limits, service);
        listener.accept_into(&self.connections, &limit, serve).await
    }

    async fn serve_connection(
        self: Arc<Self>,
        accepted: AcceptedConnection,
        limits: DaemonLimits,
        service: ListenerService,
    ) {
        let options = limits.http_options(&accepted.stream);
        let shutdown = self.shutdown().clone();
        let respond = |request| respond(Arc::clone(&self), request, service);
        serve_http(accepted, &options, &shutdown, respond).await;
    }
}

/// Returns the response to connections above the limit.
fn overload() -> bytes::Bytes {
    let error = ErrorResponse {
        message: "too many connections".to_owned(),
    };
    let body = serde_json::to_vec(&error).unwrap_or_default();
    overload_response("application/json", &body)
}

async fn respond(
    daemon: Arc<Daemon>,
    request: http::Request<Incoming>,
    service: ListenerService,
) -> ApiResponse {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let result = match ApiRequest::read(request) {
        Ok(request) if service == ListenerService::Metrics && request.path != "/metrics" => {
            Err(ApiError::not_found("page not found"))
        }
        Ok(request) => api::respond(Arc::clone(&daemon), request).await,
        Err(error) => Err(error),
    };
    let mut response = result.unwrap_or_else(|error| {
        if error.status.is_server_error() {
            tracing::warn!(
                %method,
                %path,
                status = error.status.as_u16(),
                error = %error.message,
                "request failed"
            );
        }
        error.into_response()
    });
    daemon.metrics.count_response(response.status().as_u16());
    tracing::debug!(%method, %path, status = response.status().as_u16(), "answered");
    add_common_headers(&mut response, &daemon.info().version);
    response
}

/// Adds the headers that every response has.
fn add_common_headers(response: &mut ApiResponse, version: &str) {
    let headers = response.headers_mut();
    let texts = [
        ("api-version", NEWEST.to_string()),
        ("docker-experimental", "false".to_owned()),
        ("ostype", "linux".to_owned()),
        (SERVER.as_str(), format!("windlass/{version} (linux)")),
    ];
    for (name, text) in texts {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(name),
            HeaderValue::from_str(&text),
        ) {
            headers.insert(name, value);
        }
    }
}
