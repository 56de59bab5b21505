//! The error of reads from the store.

use windlass_oci::ImageConfigError;
use windlass_store::{DatabaseError, FindError, ReadError, UsageError};

/// Why the store could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such image, or the name is ambiguous.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A document could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stored config is malformed.
    #[error(transparent)]
    Config(#[from] ImageConfigError),
    /// The metadata could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The disk usage could not be determined.
    #[error(transparent)]
    Usage(#[from] UsageError),
}
