//! What `unpack` makes of tars: benign ones, odd ones and hostile ones.
//!
//! Case numbers such as T02 are those of the hardening plan.

#![expect(clippy::print_stderr, reason = "tests that cannot be run here say so")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod builder;
mod compression;
mod flatten;
mod hostile;
mod limits;
mod links;
mod members;
mod names;
mod numbers;
mod ordinary;
mod parser;
mod pipeline;
mod replacing;
mod round_trip;
mod sandbox;
mod shape;
mod sparse;
mod special;
mod whiteouts;
