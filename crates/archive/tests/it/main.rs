//! Tests of unpacking and flattening ordinary, unusual and hostile tars.
//!
//! Case numbers such as T02 are those of the hardening plan.

#![expect(
    clippy::print_stderr,
    reason = "tests that cannot run on this system report it"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod archive_streams;
mod aufs_links;
mod builder;
mod compression;
mod flatten;
mod hiding;
mod hostile;
mod limits;
mod links;
mod members;
mod names;
mod numbers;
mod parser;
mod pipeline;
mod replacement;
mod round_trip;
mod sandbox;
mod shape;
mod sparse;
mod special;
mod unprivileged;
mod whiteouts;
