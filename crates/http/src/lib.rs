//! One HTTP exchange with one host: dialling, TLS, proxies, bounded waits.
//!
//! A [`Connection`] says how places are connected to; a [`Transport`] made of it sends requests and gives
//! back [`Response`]s, whatever their status. It follows no redirect, answers no challenge, inflates
//! nothing, keeps no cookie, and knows nothing of registries.
//!
//! # Invariants
//! - Every wait ends: a connection's by [`Connection::connect`], a head's by the patience that
//!   [`Transport::send`] is given, a body's by its [`BodyTimeout`]. Every head has a largest size.
//! - What is said to one place is said to no other: a proxy's credentials go to the proxy, the origin's
//!   certificate is checked whatever lies between, and two transports share nothing.
//! - No error holds a URL, a header or a credential.
//! - A request that a server may have acted on is not sent twice, unless its method may be repeated
//!   (RFC 9110 section 9.2.2), the connection had been used before, and no byte of an answer came.
//!
//! Runs on any flavour of tokio's runtime; sockets and timers are its own.

mod address;
mod body;
mod cause;
mod connection;
mod connector;
mod dial;
mod error;
mod line;
mod outgoing;
mod proxy;
mod race;
mod resolve;
mod response;
mod secret;
mod stream;
mod target;
mod tls;
mod transport;

pub use address::SpecialAddress;
pub use body::{Body, BodyError, BodyTimeout};
pub use cause::Cause;
pub use connection::{AddressPolicy, ClientIdentity, ClientTls, Connection, HttpVersions, Proxies};
pub use error::{ConnectFailure, ProxyFailure, SendError, SendPhase, SetupError};
pub use outgoing::StreamingBody;
pub use resolve::{AddressLookup, NameResolver, SystemResolver};
pub use response::Response;
pub use secret::Secret;
pub use transport::Transport;
