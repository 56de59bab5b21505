//! The built `windlass` command against a registry that does as it is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asking;
mod bad_input;
mod config_show;
mod configuration;
mod daemon;
mod dry_run;
mod harness;
mod images;
mod json;
mod login;
mod mirrors;
mod prompt;
mod pull;
mod shapes;
mod signals;
mod surroundings;
mod timings;
mod usage;
