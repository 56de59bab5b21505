//! Errors of downloading a blob into the store.

use windlass_oci::Digest;

use crate::error::{FileError, NotWritable, impl_is_no_space};

/// Why an ingest could not be started.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The store was not opened for writing.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why bytes could not be appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// More bytes than were claimed; for a whole blob, than the descriptor announced (T16).
    #[error("{digest} has more than the {size} bytes announced")]
    TooLong {
        /// The blob.
        digest: Digest,
        /// Its announced size.
        size: u64,
    },
    /// The download ended before all bytes were received.
    #[error("{digest} ended after {received} of {size} bytes")]
    TooShort {
        /// The blob.
        digest: Digest,
        /// The bytes received.
        received: u64,
        /// The bytes expected.
        size: u64,
    },
    /// The ingest was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
}

impl_is_no_space!(IngestError, AppendError);
