//! A server over a real store, asked with raw sockets: what is right, what is refused, and what clients may cost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clients;
mod harness;
mod hostile;
mod lists;
mod names;
mod protocol;
mod transports;
