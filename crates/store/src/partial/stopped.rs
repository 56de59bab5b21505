//! Why the download of a blob stopped.

use std::fmt;

/// Why an [`IngestReader`](crate::IngestReader) stopped, as found inside its [`std::io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestStopped {
    /// [`Ingest::cancel`](crate::Ingest::cancel) was called.
    Cancelled,
    /// The writer was dropped before the last byte.
    Abandoned,
}

impl fmt::Display for IngestStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled",
            Self::Abandoned => "the download stopped before its end",
        })
    }
}

impl std::error::Error for IngestStopped {}
