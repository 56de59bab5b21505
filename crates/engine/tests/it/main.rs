//! The engine as its doors see it, between a scripted registry and a real store.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod copy;
mod examples;
mod filters;
mod prune;
mod push;
mod support;
