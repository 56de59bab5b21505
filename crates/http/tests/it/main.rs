//! Requests to small servers of the tests' own, through small proxies of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bodies;
mod certificates;
mod exchange;
mod happy_eyeballs;
mod http2;
mod http_proxy;
mod reach;
mod server;
mod socks_proxy;
mod stale;
mod support;
mod tls;
