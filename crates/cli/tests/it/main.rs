//! The built `windlass` command against a registry that does as it is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asking;
mod bad_input;
mod bundle;
mod config_show;
mod configuration;
mod daemon;
mod dry_run;
mod formats;
mod harness;
mod images;
mod json;
mod login;
mod mirrors;
mod prompt;
mod prune;
mod pull;
mod serve;
mod shapes;
mod signals;
mod surroundings;
mod tars;
mod timings;
mod usage;
