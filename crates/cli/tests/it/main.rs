//! The built `windlass` command against a registry that does as it is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asking;
mod bad_input;
mod config_show;
mod configuration;
mod copy;
mod dry_run;
mod freight;
mod harness;
mod images;
mod json;
mod load;
mod login;
mod mirrors;
mod prompt;
mod pull;
mod push;
mod save;
mod shapes;
mod signals;
mod surroundings;
mod timings;
mod usage;
