//! Connections as they come from a listening socket.

use std::net::SocketAddr;

use tokio::net::{TcpStream, UnixStream};

use crate::ServerTls;

/// A connection as it was accepted: no byte is read yet.
#[derive(Debug)]
pub struct AcceptedConnection {
    /// The connection itself.
    pub stream: AcceptedStream,
    /// The address of the client, of a TCP connection.
    pub peer: Option<SocketAddr>,
    /// The TLS to speak on it.
    pub tls: Option<ServerTls>,
}

/// A socket that was accepted.
#[derive(Debug)]
pub enum AcceptedStream {
    /// By a path.
    Unix(UnixStream),
    /// By an address.
    Tcp(TcpStream),
}
