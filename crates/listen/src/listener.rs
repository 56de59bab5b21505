//! Bound sockets.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::accept::{AsyncListener, accept_all};
use crate::accepted_connection::AcceptedConnection;
use crate::unix::{self, SocketPath};
use crate::{BindError, ConnectionLimit, Connections, ServerTls, UnixSocketOptions};

/// A listening socket. The path of one that was made here is removed when it is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: ListenerSocket,
    /// For the log: `unix:///run/x.sock`, `tcp://127.0.0.1:2376`.
    name: String,
    tls: Option<ServerTls>,
    path: Option<SocketPath>,
}

#[derive(Debug)]
pub(crate) enum ListenerSocket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// Listens on `address`. Port 0 means any free port.
    pub fn bind_tcp(address: SocketAddr) -> Result<Self, BindError> {
        let listener = TcpListener::bind(address).map_err(BindError::io("listen on", address))?;
        let bound = listener.local_addr().unwrap_or(address);
        let name = format!("tcp://{bound}");
        Ok(Self::new(ListenerSocket::Tcp(listener), name))
    }

    /// Listens on a socket at `path`. A socket that no process listens on any more is replaced.
    pub fn bind_unix(path: &Path, options: &UnixSocketOptions) -> Result<Self, BindError> {
        let (listener, own_path) = unix::bind(path, options)?;
        let name = format!("unix://{}", path.display());
        let listener = Self::new(ListenerSocket::Unix(listener), name);
        Ok(Self {
            path: Some(own_path),
            ..listener
        })
    }

    pub(crate) fn new(socket: ListenerSocket, name: String) -> Self {
        Self {
            socket,
            name,
            tls: None,
            path: None,
        }
    }

    /// Speaks TLS on its connections. A unix socket stays as it is.
    #[must_use]
    pub fn with_tls(self, tls: ServerTls) -> Self {
        let tls = Some(tls);
        Self { tls, ..self }
    }

    /// Returns the address of a TCP socket, with the port that the system chose.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            ListenerSocket::Tcp(listener) => listener.local_addr().ok(),
            ListenerSocket::Unix(_) => None,
        }
    }

    /// Accepts connections into `connections` and runs `serve` on each, until the shutdown begins. Then the socket is
    /// closed and its path removed.
    ///
    /// # Errors
    /// When the socket cannot be registered with the runtime, which must have I/O and time enabled.
    pub async fn accept_into<F>(
        self,
        connections: &Connections,
        limit: &ConnectionLimit,
        serve: impl Fn(AcceptedConnection) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let _path = self.path;
        let listener = match self.socket {
            ListenerSocket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                AsyncListener::Unix(tokio::net::UnixListener::from_std(listener)?)
            }
            ListenerSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                AsyncListener::Tcp(tokio::net::TcpListener::from_std(listener)?, self.tls)
            }
        };
        accept_all(&listener, connections, limit, serve).await;
        Ok(())
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
