//! The built `windlass` command against a registry that does as it is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod harness;
mod images;
mod json;
mod pull;
mod signals;
mod surroundings;
mod usage;
