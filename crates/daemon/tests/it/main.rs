//! The daemon in this process: TLS, and the limits of connections.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;
mod limits;
mod tls;
