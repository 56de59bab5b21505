//! The error of loading images.

use windlass_copy::TreeError;
use windlass_layout::LayoutError;
use windlass_oci::{Digest, ImageId};
use windlass_operation::Cancelled;
use windlass_pull::{LocalLayerError, PlanError};
use windlass_store::{CommitError, FindError, LayerError, PutError, ReadError, TagImageError};

/// Why nothing was loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The archive could not be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The parts of an image could not be determined.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Manifest and config of an image contradict each other.
    #[error("manifest and config of {image} do not belong together")]
    Plan {
        /// The image.
        image: ImageId,
        /// The contradiction.
        source: PlanError,
    },
    /// A layer could not be unpacked.
    #[error("layer {digest}")]
    Layer {
        /// The layer's blob.
        digest: Digest,
        /// The cause.
        source: Box<LocalLayerError>,
    },
    /// A name was specified for an archive with several images.
    #[error("the archive contains {count} images, which cannot all be named {name}")]
    OneName {
        /// The number of images.
        count: usize,
        /// The name.
        name: String,
    },
    /// The store could not be read.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The store could not be searched.
    #[error(transparent)]
    StoredLayers(#[from] LayerError),
    /// A document could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A document could not be stored.
    #[error(transparent)]
    Put(#[from] PutError),
    /// The image could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The image was stored, but could not be tagged.
    #[error("the image is loaded, but cannot be named {name}")]
    Name {
        /// The name.
        name: String,
        /// The cause.
        source: TagImageError,
    },
    /// Loading was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl From<Cancelled> for LoadError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}
