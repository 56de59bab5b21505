//! Tests of the public API, with a scripted registry and a real store.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod copy;
mod examples;
mod filters;
mod prune;
mod push;
mod support;
