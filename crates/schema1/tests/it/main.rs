//! Schema 1 manifests: what is verified, what is refused, and the configs that are made of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod build;
mod chain;
mod config;
mod limits;
mod names;
mod real;
mod sign;
mod signature;
mod tampering;
