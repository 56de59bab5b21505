//! Loads configurations of files of all kinds.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod certs;
mod documentation;
mod documented_examples;
mod golden;
mod hostile;
mod invalid_pull_settings;
mod precedence;
mod pull_settings;
mod registry_host;
mod serde;
mod settings;
mod support;
mod unusual_files;
