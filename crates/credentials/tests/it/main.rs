//! What a user's files and helpers make of a door, with real helper programs.
//!
//! Case numbers such as T30 are those of the hardening plan.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod helpers;
mod login;
mod lookup;
mod pulls;
mod secrets;
mod support;
