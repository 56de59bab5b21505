//! The state of partial blobs: which of their bytes are present, in memory and in a record on disk.

mod active;
mod progress;
mod ranges;
mod record;
mod stopped;

pub(crate) use active::{ActiveIngests, NameClaim};
pub(crate) use progress::{IngestProgress, RecordDraft};
#[cfg(test)]
pub(crate) use ranges::ByteRanges;
pub(crate) use record::{Checkpoint, PartialRecord, RECORD_SIZE};
pub use stopped::IngestStopped;
