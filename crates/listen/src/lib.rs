//! Listening sockets, and the limits that hold for every connection accepted from them.
//!
//! The Docker API (`windlass-daemon`), the read-only registry (`windlass-serve`) and the daemon's control socket accept
//! their connections here. A [`Listener`] is a bound socket; [`Listener::accept_into`] accepts from it into a set of
//! [`Connections`], bounded by a [`ConnectionLimit`]; [`serve_http`] runs HTTP/1.1 on one connection.
//!
//! # Invariants
//! 1. **Accepting neither spins nor gives up.** An error that belongs to one connection is skipped. After any other
//!    error, such as running out of file descriptors, accepting pauses for [`ACCEPT_BACKOFF`] and goes on.
//! 2. **Overload is refused, not queued.** While a [`ConnectionLimit`] is exhausted, a new connection receives the
//!    limit's overload response and is closed; a TLS connection is closed without one, since the response would take a
//!    handshake. A client learns at once that it should come back later or go elsewhere, and connections that are
//!    accepted never wait behind connections that are idle. The refusals themselves are bounded in number and time.
//! 3. **Every phase of a connection has a time limit** ([`ConnectionTimeouts`]): the TLS handshake, the time between
//!    requests, the head of a request from its first byte to its last, and each write. The write timeout is about
//!    progress: a client that reads slowly is served for as long as it reads, one that reads nothing is disconnected.
//!    Only the idle timeout may be absent, so that clients on the same machine may keep connections open. How long a
//!    request takes to answer, and how long its body takes to arrive, are not limited here.
//! 4. **A response is not lost because of how the client sends.** A client that has shut down its writing end gets its
//!    response; it counts as disconnected when it has closed both directions. If a response ends a connection while the
//!    client still sends, the rest is read and dropped for a limited time, because the kernel discards a response whose
//!    socket is closed with unread bytes.
//! 5. **Shutting down has three steps**, and [`Shutdown`] names them: once it begins, sockets close, handshakes are
//!    abandoned and idle connections close; requests in progress may finish until the deadline; what is left is
//!    cancelled by dropping it. [`Connections::drain`] returns when no connection is left.
//! 6. **A socket with a path has its owner, group and mode before the first client can connect**, and its path is
//!    removed with it unless another process has taken the path over.

mod accept;
mod accepted_connection;
mod connections;
mod encoded_target;
mod error;
mod hangup;
mod http;
mod inherited;
mod linger;
mod listener;
mod request_clock;
mod shared_stream;
mod shutdown;
mod tls;
mod unix;
mod write_timeout;

pub use accept::ACCEPT_BACKOFF;
pub use accepted_connection::{AcceptedConnection, AcceptedStream};
pub use connections::{ConnectionLimit, Connections};
pub use error::BindError;
pub use http::{ConnectionTimeouts, HttpOptions, overload_response, serve_http};
pub use inherited::InheritedSockets;
pub use listener::Listener;
pub use shutdown::Shutdown;
pub use tls::{ServerTls, ServerTlsError};
pub use unix::{UnixSocketOptions, find_group};
pub use write_timeout::WriteTimeout;
