//! An HTTP client for one request to one host: name resolution, TLS, proxies, timeouts.
//!
//! A [`ConnectionConfig`] configures how hosts are connected to. A [`Transport`] that is made from it sends
//! requests and returns [`Response`]s, whatever their status. It follows no redirects, answers no
//! authentication challenges, decompresses nothing and keeps no cookies. It has no code that is specific to
//! registries.
//!
//! # Invariants
//! - Every wait has a limit: [`ConnectionConfig::connect`] for a connection, the timeout passed to
//!   [`Transport::send`] for the head of a response, a [`BodyTimeout`] for a body. Every head has a maximum
//!   size.
//! - Secrets stay with the host they belong to: a proxy's credentials are sent to the proxy only, the
//!   certificate of the origin is verified through any proxy, and two transports share nothing.
//! - No error contains a URL, a header or a credential.
//! - A request that a server may have processed is sent a second time only if its method is idempotent (RFC
//!   9110 section 9.2.2), the connection had been used before, and no byte of a response arrived.
//!
//! Runs on any flavour of the tokio runtime; it creates its own sockets and timers.

mod address;
mod cause;
mod connection;
mod connector;
mod dial;
mod error;
mod pooled;
mod proxy;
mod race;
mod request_body;
mod resolve;
mod response;
mod response_body;
mod secret;
mod stream;
mod target;
mod tls;
mod tls_problem;
mod transport;

pub use address::SpecialAddress;
pub use cause::Cause;
pub use connection::{
    AddressPolicy, ClientIdentity, ClientTls, ConnectionConfig, HttpVersions, Proxies,
};
pub use error::{ConnectFailure, ProxyFailure, SendError, SendPhase, SetupError};
pub use request_body::StreamingBody;
pub use resolve::{AddressLookup, NameResolver, SystemResolver};
pub use response::Response;
pub use response_body::{BodyError, BodyTimeout, ResponseBody};
pub use secret::Secret;
pub use tls_problem::TlsProblem;
pub use transport::Transport;
