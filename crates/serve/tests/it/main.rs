//! A server over a real store, tested over raw sockets: the protocol, hostile requests, and limits.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clients;
mod harness;
mod hostile;
mod lists;
mod names;
mod protocol;
mod transports;
