//! Requests to scripted servers, directly and through scripted proxies.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod address_policy;
mod bodies;
mod certificates;
mod happy_eyeballs;
mod http2;
mod http_proxy;
mod requests;
mod server;
mod socks_proxy;
mod stale;
mod support;
mod tls;
mod tls_problems;
