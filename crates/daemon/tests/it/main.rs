//! The daemon in this process: who is let in from elsewhere.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod tls;
