//! What is read of archives and layouts, whole ones and hostile ones, and what is written.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod anything;
mod fixture;
mod hostile;
mod read;
mod write;
