//! Schema 1 manifests: verification, rejection and conversion to image configs.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod build;
mod chain;
mod config;
mod limits;
mod names;
mod real;
mod sign;
mod signature;
mod tampering;
