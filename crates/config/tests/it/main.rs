//! What files of all kinds together mean.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod certs;
mod companies;
mod documentation;
mod golden;
mod hostile;
mod odd_files;
mod own_host;
mod precedence;
mod pulls;
mod pulls_refused;
mod support;
