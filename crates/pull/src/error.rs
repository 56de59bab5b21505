//! Why a pull failed.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use windlass_oci::{
    DiffId, Digest, ImageConfigError, ManifestError, NoMatchingPlatform, ReferenceError,
};
use windlass_registry::{EndpointError, RegistryError};
use windlass_schema1::Schema1Error;
use windlass_store::{CommitError, FileError, IngestError, PutError, ReadError};

use crate::layer::LayerError;
use crate::plan::PlanError;
use crate::sources::EndpointNeed;
use crate::space::NoSpace;

/// Why a pull failed. Whatever it is: nothing of the image is visible, and the next pull works.
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
        /// What it was needed for.
        need: EndpointNeed,
    },
    /// No image in the index is for the platform.
    #[error(transparent)]
    NoMatchingPlatform(#[from] NoMatchingPlatform),
    /// An index leads to a manifest of schema 1.
    #[error(
        "the manifest {digest} below an index is of Docker's schema 1, which has no place there"
    )]
    Schema1BelowIndex {
        /// The manifest.
        digest: Digest,
    },
    /// The manifest of schema 1 is malformed, or not the requested one (S1-1..S1-6).
    #[error("the manifest of Docker's schema 1")]
    Schema1(#[from] Schema1Error),
    /// What was made of a manifest of schema 1 is not a manifest.
    #[error("converting the manifest of Docker's schema 1")]
    Converted(#[source] ManifestError),
    /// A reference by digest leads to a manifest of schema 1 with another (MF-2).
    #[error("the manifest has the digest {actual}, not {expected}")]
    Digest {
        /// The requested one.
        expected: Digest,
        /// The one that came.
        actual: Digest,
    },
    /// The size of a document differs from its descriptor.
    #[error("{digest} has {actual} bytes, its descriptor says {expected}")]
    Size {
        /// The document.
        digest: Digest,
        /// Bytes according to the descriptor.
        expected: u64,
        /// Bytes that it has.
        actual: u64,
    },
    /// Indexes lie in indexes beyond all use.
    #[error("no image within {limit} documents below the index")]
    TooDeep {
        /// How far it was looked.
        limit: usize,
    },
    /// The image config is broken.
    #[error("the image config")]
    Config(#[from] ImageConfigError),
    /// Manifest and config contradict each other.
    #[error("manifest and config do not belong together")]
    Plan(#[from] PlanError),
    /// There is no room for the layers; none of them was begun.
    #[error(transparent)]
    NoSpace(#[from] NoSpace),
    /// The file system of the store could not be looked at.
    #[error(transparent)]
    File(#[from] FileError),
    /// What earlier pulls left could not be cleared away.
    #[error(transparent)]
    Partials(#[from] IngestError),
    /// A layer could not be downloaded, verified or unpacked.
    #[error("layer {digest}")]
    Layer {
        /// The layer's blob.
        digest: Digest,
        /// Why; shared with every other pull that waited for it.
        source: Arc<LayerError>,
    },
    /// A layer's tar is not the one that the config names (S2-6, T20).
    #[error("layer {digest} holds a tar with diff ID {actual}, the config says {expected}")]
    DiffId {
        /// The layer's blob.
        digest: Digest,
        /// According to the config.
        expected: DiffId,
        /// What the tar hashed to.
        actual: DiffId,
    },
    /// The registry of the reference has no usable address.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A document in the store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A document could not be stored.
    #[error(transparent)]
    Put(#[from] PutError),
    /// The layers in the store could not be looked at.
    #[error(transparent)]
    Held(#[from] windlass_store::LayerError),
    /// Everything was there and could not be made visible.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Why every endpoint of a registry failed: one error each.
#[derive(Debug)]
pub struct EndpointsError {
    /// The registry's own: what it comes down to.
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
