//! The listeners of the daemon: where the API is served, and where only the metrics are.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use windlass_listen::{BindError, InheritedSockets, Listener, ServerTls, UnixSocketOptions};

/// A listening socket of the daemon.
#[derive(Debug)]
pub struct DaemonListener {
    pub(crate) listener: Listener,
    pub(crate) service: ListenerService,
}

/// What is served on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListenerService {
    /// The whole API.
    Api,
    /// `/metrics` only.
    Metrics,
}

/// The permissions of a socket: its owner and its group may connect.
const SOCKET_MODE: u32 = 0o660;

impl DaemonListener {
    /// Serves the API on a socket at `path` that its owner and `group` may use.
    ///
    /// A socket whose daemon died is replaced. Missing directories are created; one in which other users could replace the
    /// socket is refused (T49).
    pub fn unix(path: &Path, group: Option<&str>) -> Result<Self, BindError> {
        let options = UnixSocketOptions {
            mode: SOCKET_MODE,
            group: group.map(str::to_owned),
            prepare_directory: true,
        };
        Listener::bind_unix(path, &options).map(Self::api)
    }

    /// Serves the API on `address`, to clients that `tls` authenticates.
    pub fn tcp(address: SocketAddr, tls: &ServerTls) -> Result<Self, BindError> {
        let listener = Listener::bind_tcp(address)?;
        Ok(Self::api(listener.with_tls(tls.clone())))
    }

    /// Serves the metrics on `address`, in plain HTTP and to every client.
    pub fn metrics(address: SocketAddr) -> Result<Self, BindError> {
        Ok(Self {
            listener: Listener::bind_tcp(address)?,
            service: ListenerService::Metrics,
        })
    }

    /// Serves the API on the inherited sockets named `name`, or on all. One that is open to the network is refused without
    /// `tls`.
    pub fn inherited(
        sockets: &mut InheritedSockets,
        name: Option<&str>,
        tls: Option<&ServerTls>,
    ) -> Result<Vec<Self>, BindError> {
        let listeners = sockets.claim(name, tls)?;
        Ok(listeners.into_iter().map(Self::api).collect())
    }

    /// Returns the address of a TCP socket, with the port that the system chose.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.listener.tcp_address()
    }

    fn api(listener: Listener) -> Self {
        Self {
            listener,
            service: ListenerService::Api,
        }
    }
}

impl fmt::Display for DaemonListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.service, self.tcp_address()) {
            (ListenerService::Metrics, Some(address)) => write!(f, "http://{address}/metrics"),
            _ => self.listener.fmt(f),
        }
    }
}
