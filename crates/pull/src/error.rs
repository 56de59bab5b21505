//! The errors of a pull.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use windlass_archive::UnpackError;
use windlass_oci::{
    DiffId, Digest, ImageConfigError, ManifestError, NoMatchingPlatform, ReferenceError,
};
use windlass_registry::{EndpointError, RegistryError};
use windlass_schema1::Schema1Error;
use windlass_store::{
    AppendError, CommitError, FileError, IngestError, PutError, ReadError, VerifyError,
};

use crate::endpoint_need::EndpointNeed;
use crate::plan::PlanError;

/// Why a pull failed. After any of these errors, nothing of the image is visible, and the pull can be repeated.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The text is not a reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The registry and its mirrors failed or rejected the request.
    #[error(transparent)]
    Registry(#[from] EndpointsError),
    /// No endpoint is configured for this need (FB-8).
    #[error("no endpoint of {registry} is configured to {need}")]
    NoEndpoint {
        /// The registry.
        registry: String,
        /// The purpose that it was needed for.
        need: EndpointNeed,
    },
    /// No image in the index is for the platform.
    #[error(transparent)]
    NoMatchingPlatform(#[from] NoMatchingPlatform),
    /// An index refers to a manifest of schema 1.
    #[error(
        "the index refers to the manifest {digest} of Docker's schema 1, which indexes cannot contain"
    )]
    Schema1BelowIndex {
        /// The manifest.
        digest: Digest,
    },
    /// The manifest of schema 1 is malformed, or not the requested one (S1-1..S1-6).
    #[error("the manifest of Docker's schema 1")]
    Schema1(#[from] Schema1Error),
    /// The manifest that a manifest of schema 1 was converted to is malformed.
    #[error("converting the manifest of Docker's schema 1")]
    Converted(#[source] ManifestError),
    /// The manifest of schema 1 does not have the digest of the reference (MF-2).
    #[error("the manifest has the digest {actual}, not {expected}")]
    Digest {
        /// The requested digest.
        expected: Digest,
        /// The digest of the manifest.
        actual: Digest,
    },
    /// The size of a document differs from its descriptor.
    #[error("the size of {digest} is {actual} bytes, but its descriptor has {expected}")]
    Size {
        /// The document.
        digest: Digest,
        /// The size in the descriptor.
        expected: u64,
        /// The size of the document.
        actual: u64,
    },
    /// The image is nested too deeply in indexes, or behind too many of them.
    #[error("no image within {limit} documents below the index")]
    TooDeep {
        /// The number of documents that were read.
        limit: usize,
    },
    /// The image config is malformed.
    #[error("the image config")]
    Config(#[from] ImageConfigError),
    /// Manifest and config contradict each other.
    #[error("manifest and config do not belong together")]
    Plan(#[from] PlanError),
    /// There is too little space for the layers. None of them was started.
    #[error(transparent)]
    NoSpace(#[from] NoSpace),
    /// The free space of the store's file system could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Partial blobs of earlier pulls could not be listed or removed.
    #[error(transparent)]
    Partials(#[from] IngestError),
    /// A layer could not be downloaded, verified or unpacked.
    #[error("layer {digest}")]
    Layer {
        /// The layer's blob.
        digest: Digest,
        /// Why; shared by all pulls that waited for the layer.
        source: Arc<LayerError>,
    },
    /// The diff ID of a layer's tar is not the one in the config (S2-6, T20).
    #[error("the diff ID of layer {digest} is {actual}, but the config has {expected}")]
    DiffId {
        /// The layer's blob.
        digest: Digest,
        /// The diff ID in the config.
        expected: DiffId,
        /// The diff ID of the tar.
        actual: DiffId,
    },
    /// The registry of the reference has no usable address.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A stored document could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A document could not be stored.
    #[error(transparent)]
    Put(#[from] PutError),
    /// The stored images and layers could not be read.
    #[error(transparent)]
    StoredLayers(#[from] windlass_store::LayerError),
    /// The complete image could not be made visible.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Why a layer could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// No endpoint delivered the blob, or granted access to it.
    #[error(transparent)]
    Download(EndpointsError),
    /// The partial blob could not be created or opened.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The partial blob could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The received bytes do not match the descriptor.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The blob matches the descriptor, but it is not a layer that can be unpacked.
    #[error(transparent)]
    Unpack(UnpackError),
    /// The layer could not be stored.
    #[error(transparent)]
    Store(#[from] windlass_store::LayerError),
    /// No endpoint is configured to pull from.
    #[error("no endpoint is configured to pull from")]
    NoEndpoint,
    /// The transfer was cancelled because no watcher was left.
    #[error("cancelled")]
    Cancelled,
}

/// Too little disk space for an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no space left on device: its layers need at least {needed} bytes in {}, and {available} are free",
    .path.display()
)]
pub struct NoSpace {
    /// The minimum number of bytes to write: the missing bytes of the blobs, and the unpacked layers, which are assumed
    /// to be as large as their blobs.
    pub needed: u64,
    /// Free bytes that are not reserved by other pulls.
    pub available: u64,
    /// The store.
    pub path: PathBuf,
}

/// Why every endpoint of a registry failed: one error each.
#[derive(Debug)]
pub struct EndpointsError {
    /// The error to report: the registry's own.
    pub error: Arc<RegistryError>,
    /// The errors of the other endpoints, in the order of the attempts.
    pub others: Vec<Arc<RegistryError>>,
}

impl fmt::Display for EndpointsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for EndpointsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
