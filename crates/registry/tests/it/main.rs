//! The client against a registry that does as it is told.

mod auth;
mod blobs;
mod faults;
mod manifests;
mod redirects;
mod secrets;
mod support;
mod tags;
mod tls;
mod tls_front;
mod token_server;
