//! What is copied, and in which order, from a source in memory to a scripted registry.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod gather;
mod images;
mod memory_source;
mod push;
mod referrers;
mod registry_source;
