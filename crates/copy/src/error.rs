//! The reasons why a copy fails.

use std::io;

use windlass_layout::WriteError;
use windlass_oci::{Descriptor, Digest, ImageConfigError, ManifestError, NoMatchingPlatform};
use windlass_operation::Cancelled;
use windlass_registry::RegistryError;

use crate::budget::BudgetExceeded;
use crate::source::SourceError;

/// The reason why the documents of an image could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A document could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The source does not have a required document.
    #[error("{digest} is missing")]
    Missing {
        /// The document.
        digest: Digest,
    },
    /// A manifest is invalid.
    #[error("the manifest {digest}")]
    Manifest {
        /// The manifest.
        digest: Digest,
        /// The defect.
        source: ManifestError,
    },
    /// An image config is invalid.
    #[error("the image config {digest}")]
    Config {
        /// The config.
        digest: Digest,
        /// The defect.
        source: ImageConfigError,
    },
    /// No image is for the requested platform.
    #[error(transparent)]
    NoMatchingPlatform(#[from] NoMatchingPlatform),
    /// The source has none of the images of an index.
    #[error("all images of the index {digest} are missing")]
    NoImage {
        /// The index.
        digest: Digest,
    },
    /// The source does not have all manifests that an index names.
    #[error("the index {digest} is incomplete: {}", missing_text(.missing, *.count))]
    Incomplete {
        /// The index.
        digest: Digest,
        /// One of the missing manifests.
        missing: Digest,
        /// The number of missing manifests.
        count: usize,
    },
    /// There are too many documents, or they are too large.
    #[error("{digest} refers to too many documents")]
    TooManyDocuments {
        /// The document at the top.
        digest: Digest,
        /// The limits.
        source: BudgetExceeded,
    },
    /// Indexes are nested too deeply.
    #[error("the indexes below {digest} are nested more than {limit} deep")]
    NestedTooDeeply {
        /// The index at the top.
        digest: Digest,
        /// The limit.
        limit: usize,
    },
    /// Artifacts of artifacts form a chain that is too long.
    #[error("artifacts of artifacts form a chain of more than {limit} at {digest}")]
    ReferrersTooDeep {
        /// The artifact at the end of the chain.
        digest: Digest,
        /// The limit.
        limit: usize,
    },
    /// The documents cannot be written together.
    #[error(transparent)]
    Batch(#[from] WriteError),
}

/// The reason why a copy failed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The copy was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The archive or directory could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The push failed.
    #[error(transparent)]
    Push(#[from] PushError),
}

/// The reason why a push failed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// A request to the registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A blob could not be read from the source.
    #[error("cannot read {digest}")]
    Read {
        /// The blob.
        digest: Digest,
        /// The cause.
        source: io::Error,
    },
}

impl TreeError {
    /// Adds the document at the top of the tree to an exceeded limit.
    pub(crate) fn too_many_documents(root: &Descriptor) -> impl FnOnce(BudgetExceeded) -> Self {
        let digest = root.digest;
        move |source| Self::TooManyDocuments { digest, source }
    }
}

impl From<Cancelled> for CopyError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

fn missing_text(first: &Digest, count: usize) -> String {
    match count {
        0 | 1 => format!("{first} is missing"),
        _ => format!("{first} and {} other manifests are missing", count - 1),
    }
}
