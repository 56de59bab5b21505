//! The error of unpacking an image.

use std::io;
use std::path::PathBuf;

use windlass_archive::UnpackError;
use windlass_oci::{DiffId, Digest};
use windlass_operation::Cancelled;
use windlass_store::{FindError, ReadError};

/// Why an image was not unpacked. The directory is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum UnpackImageError {
    /// There is no such image, or the name is ambiguous.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A layer's blob could not be read.
    #[error(transparent)]
    Blob(#[from] ReadError),
    /// The directory is not empty, or another process is unpacking into it.
    #[error("{} is not empty", .path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The directory could not be created or used.
    #[error("cannot {action} {}", .path.display())]
    Directory {
        /// The failed step, as an infinitive.
        action: &'static str,
        /// The directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A layer could not be applied.
    #[error("layer {digest}")]
    Layer {
        /// The layer's blob.
        digest: Digest,
        /// Why.
        source: UnpackError,
    },
    /// A stored blob has changed since it was pulled.
    #[error("layer {digest} is damaged on disk: its tar has diff ID {actual}, not {expected}")]
    Damaged {
        /// The layer's blob.
        digest: Digest,
        /// Its diff ID when it was pulled.
        expected: DiffId,
        /// Its diff ID now.
        actual: DiffId,
    },
    /// Unpacking was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl From<Cancelled> for UnpackImageError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}
