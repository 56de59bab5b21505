//! The client against a scripted registry.

mod auth;
mod blobs;
mod callers;
mod faults;
mod foreign;
mod head;
mod health;
mod login;
mod manifests;
mod mirrors;
mod older;
mod redirects;
mod secrets;
mod support;
mod tags;
mod tls;
mod token_server;
mod uploads;
