//! Loads configurations of files of all kinds.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod certs;
mod documentation;
mod documented_examples;
mod golden;
mod hostile;
mod odd_files;
mod own_host;
mod precedence;
mod pulls;
mod pulls_rejected;
mod serde;
mod settings;
mod support;
