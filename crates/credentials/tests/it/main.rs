//! Tests of looking up and storing credentials, with real helper programs.
//!
//! Case numbers such as T30 are those of the hardening plan.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod concurrent;
mod helpers;
mod login;
mod lookup;
mod secrets;
mod support;
