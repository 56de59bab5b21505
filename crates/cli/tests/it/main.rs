//! The built `windlass` command against a scripted registry.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod all_platforms;
mod bad_input;
mod bundle;
mod config_show;
mod configuration;
mod copy;
mod daemon;
mod dry_run;
mod environment;
mod export;
mod formats;
mod harness;
mod images;
mod import;
mod json;
mod load;
mod login;
mod mirrors;
mod prompt;
mod prune;
mod pull;
mod push;
mod queries;
mod save;
mod serve;
mod signals;
mod timings;
mod transfers;
mod unusual_images;
mod usage;
