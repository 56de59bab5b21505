//! The server: its configuration, and the connections that it serves.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::task::JoinSet;
use windlass::store::StoredContent;
use windlass_listen::{
    AcceptedConnection, ConnectionLimit, ConnectionTimeouts, Connections, HttpOptions, Listener,
    ServerTls, Shutdown, overload_response, serve_http,
};

use crate::body::RegistryBody;
use crate::error_response::RegistryErrorResponse;
use crate::request_log::PendingLogEntry;
use crate::response::respond;
use crate::{AllowedHosts, OnResponse};

/// The configuration of a server.
#[derive(Clone, Default)]
pub struct ServeConfig {
    /// The host names that requests may be addressed to. They do not apply to unix sockets.
    pub hosts: AllowedHosts,
    /// The resources that clients may use.
    pub limits: ServeLimits,
    /// The certificate of the server, if it speaks TLS. It does not apply to unix sockets.
    pub tls: Option<ServerTls>,
    /// Receives a log entry for each request.
    pub on_response: Option<OnResponse>,
}

/// The resources that clients may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeLimits {
    /// The maximum number of connections. Further ones are refused with 503, over TLS by closing them.
    pub connections: usize,
    /// The maximum size of the head of a request, in bytes; values below 8192 count as 8192.
    pub head_bytes: usize,
    /// The timeout for the TLS handshake, and for the head of a request from its first byte to its last.
    pub header_timeout: Duration,
    /// The timeout of an idle connection, from the end of a response to the next request.
    pub idle_timeout: Duration,
    /// The timeout for a write that makes no progress, because the client does not read.
    pub write_timeout: Duration,
    /// How long responses in progress may take when the server shuts down.
    pub drain: Duration,
}

/// The result of [`RegistryServer::run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeReport {
    /// The number of connections that were still open at the end of the drain, and were closed.
    pub cut: usize,
}

/// A registry.
#[derive(Debug)]
pub struct RegistryServer {
    shared: Arc<ServerShared>,
}

/// The state that all connections of a server share.
#[derive(Debug)]
struct ServerShared {
    content: Arc<StoredContent>,
    config: ServeConfig,
}

/// The name of a client that is connected over a unix socket.
const UNIX_PEER: &str = "unix";

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            head_bytes: 16 << 10,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for ServeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeConfig")
            .field("hosts", &self.hosts)
            .field("limits", &self.limits)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl RegistryServer {
    /// Creates a server of the images in `content`.
    pub fn new(content: Arc<StoredContent>, config: ServeConfig) -> Self {
        Self {
            shared: Arc::new(ServerShared { content, config }),
        }
    }

    /// Serves on `listeners` until `until` completes. Then it accepts no more connections, and returns when the responses
    /// in progress are sent, or cuts them after [`ServeLimits::drain`].
    ///
    /// # Errors
    /// When a listener cannot be registered with the runtime, which must have I/O and time enabled.
    pub async fn run(
        &self,
        listeners: Vec<Listener>,
        until: impl Future<Output = ()>,
    ) -> io::Result<ServeReport> {
        let shutdown = Shutdown::default();
        // Connections do not outlive this future, even if it is dropped.
        let _cut = shutdown.cut_on_drop();
        let connections = Connections::new(shutdown.clone());
        let limits = &self.shared.config.limits;
        let busy = RegistryErrorResponse::too_many_connections().body();
        let busy = overload_response("application/json", &busy);
        let limit = ConnectionLimit::new(limits.connections, busy);
        let mut accepting = JoinSet::new();
        for listener in listeners {
            let (connections, limit) = (connections.clone(), limit.clone());
            let shared = Arc::clone(&self.shared);
            let listener = match &shared.config.tls {
                Some(tls) => listener.with_tls(tls.clone()),
                None => listener,
            };
            accepting.spawn(async move {
                let shutdown = connections.shutdown();
                let serve = |accepted| shared.serve_connection(accepted, shutdown);
                listener.accept_into(&connections, &limit, serve).await
            });
        }
        tokio::select! {
            () = until => {}
            Some(ended) = accepting.join_next() => return Err(error_of(ended)),
        }
        shutdown.begin(limits.drain);
        while let Some(ended) = accepting.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        let cut = connections.drain().await;
        Ok(ServeReport { cut })
    }
}

impl ServerShared {
    fn http_options(&self) -> HttpOptions {
        let limits = &self.config.limits;
        HttpOptions {
            timeouts: ConnectionTimeouts {
                handshake: limits.header_timeout,
                header: limits.header_timeout,
                idle: Some(limits.idle_timeout),
                write: limits.write_timeout,
            },
            max_head_bytes: limits.head_bytes,
        }
    }

    fn serve_connection(
        self: &Arc<Self>,
        accepted: AcceptedConnection,
        shutdown: &Shutdown,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (shared, shutdown) = (Arc::clone(self), shutdown.clone());
        async move {
            let peer = accepted.peer;
            let respond = |request| respond_to(Arc::clone(&shared), peer, request);
            serve_http(accepted, &shared.http_options(), &shutdown, respond).await;
        }
    }
}

/// Answers one request, and writes its log entry.
async fn respond_to(
    shared: Arc<ServerShared>,
    peer: Option<SocketAddr>,
    request: Request<Incoming>,
) -> Response<RegistryBody> {
    let (head, _body) = request.into_parts();
    let entry = shared.config.on_response.as_ref().map(|on_response| {
        let peer = peer.map_or_else(|| UNIX_PEER.to_owned(), |peer| peer.to_string());
        let target = head.uri.path_and_query();
        let target = target.map_or("", |target| target.as_str());
        PendingLogEntry::new(&peer, head.method.as_str(), target, Arc::clone(on_response))
    });
    // Web pages cannot connect to a unix socket, and it has no host name.
    let hosts = match peer {
        Some(_) => &shared.config.hosts,
        None => &AllowedHosts::Any,
    };
    let response = respond(&shared.content, hosts, &head).await;
    match entry {
        Some(mut entry) => {
            entry.set_status(response.status().as_u16());
            response.map(|body| body.logged(entry))
        }
        None => response,
    }
}

/// Returns why a listener ended before the shutdown.
fn error_of(ended: Result<io::Result<()>, tokio::task::JoinError>) -> io::Error {
    match ended {
        Ok(Err(error)) => error,
        Ok(Ok(())) => io::Error::other("a listener ended before the shutdown"),
        Err(error) => io::Error::other(error),
    }
}
