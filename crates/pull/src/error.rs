//! Why a pull failed.

use std::sync::Arc;

use windlass_oci::{ConfigError, DiffId, Digest, ManifestError, NoMatch};
use windlass_registry::{EndpointError, RegistryError};
use windlass_store::{CommitError, PutError, ReadError};

use crate::layer::LayerError;
use crate::plan::PlanError;

/// Why a pull failed. Whatever it is: nothing of the image is visible, and the next pull works.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry did not answer, or answered no.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No image in the index is for the platform.
    #[error(transparent)]
    NoMatch(#[from] NoMatch),
    /// A document below the index is not what its descriptor says.
    #[error("the manifest {digest}")]
    Manifest {
        /// The document.
        digest: Digest,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// A document has another size than its descriptor says.
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
    Config(#[from] ConfigError),
    /// Manifest and config contradict each other.
    #[error("manifest and config do not belong together")]
    Plan(#[from] PlanError),
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
    /// The reference's registry has no address that could be asked.
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
