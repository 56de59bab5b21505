//! Errors of writing images.

use std::io;

use windlass_oci::{Digest, ManifestError};

/// The reason why images could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output failed.
    #[error("cannot {action}")]
    Write {
        /// The operation that failed.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The source of a blob failed.
    #[error("cannot read {digest}")]
    Read {
        /// The blob.
        digest: Digest,
        /// The cause.
        source: io::Error,
    },
    /// A manifest is invalid.
    #[error("the manifest {digest} is invalid")]
    Manifest {
        /// The digest of the manifest.
        digest: Digest,
        /// The defect.
        source: ManifestError,
    },
    /// The directory has other content.
    #[error("it is neither empty nor {expected}")]
    Occupied {
        /// The expected format, with an article.
        expected: &'static str,
    },
    /// The format supports only one image.
    #[error("a directory of this form holds one image, not {count}")]
    OneImage {
        /// The number of images to be written.
        count: usize,
    },
    /// The existing layout is invalid.
    #[error("cannot add to the existing layout")]
    ExistingLayout(#[from] crate::LayoutError),
}

impl WriteError {
    pub(super) fn write(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { action, source }
    }

    /// Returns whether the output is a pipe whose reading end is closed.
    pub fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Write { source, .. } => source.kind() == io::ErrorKind::BrokenPipe,
            Self::Read { .. }
            | Self::Manifest { .. }
            | Self::Occupied { .. }
            | Self::OneImage { .. }
            | Self::ExistingLayout(_) => false,
        }
    }
}
