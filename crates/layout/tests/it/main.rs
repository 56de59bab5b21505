//! Tests of reading valid and hostile archives and layouts, and of writing them.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod arbitrary;
mod fixture;
mod hostile;
mod lists;
mod read;
mod write;
