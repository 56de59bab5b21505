//! Reads tars: POSIX ustar and PAX, GNU, and the format before POSIX.
//!
//! Ambiguous tars are rejected. Where implementations differ, the reader does what Go's `archive/tar` does,
//! because most layers are written and read with it (hardening T13). No header needs more memory than
//! [`UnpackLimits::header_bytes`](crate::UnpackLimits::header_bytes).

mod block;
mod entry;
mod header;
mod number;
mod pax;
mod reader;
mod sparse;
mod sparse_map;
mod timestamp;

pub(crate) use block::BLOCK_SIZE;
pub(crate) use entry::{EntryKind, TarEntry};
pub(crate) use reader::TarReader;
pub(crate) use sparse::{Segment, SparseFile};
pub(crate) use timestamp::Timestamp;
