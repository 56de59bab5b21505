//! Tests of the testing crate: its servers and builders behave as documented.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod auth;
mod client;
mod confinement;
mod faults;
mod head;
mod https;
mod mirrors;
mod protocol;
mod proxies;
mod real;
mod storage;
mod tls;
mod trees;
