//! Why an operation of the engine failed, one enum each.

use std::path::PathBuf;

use windlass_oci::ImageConfigError;
use windlass_registry::ClientError;
use windlass_store::{DatabaseError, FindError, ReadError, UsageError};

use crate::MountError;

pub use windlass_store::NameError as TagImageError;

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] windlass_store::StoreOpenError),
    /// Registries could not be spoken to as the configuration wants it.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Why the store could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such image, or more than one.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A document could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stored config is none.
    #[error(transparent)]
    Config(#[from] ImageConfigError),
    /// The metadata could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// It could not be found out what takes up the space.
    #[error(transparent)]
    Usage(#[from] UsageError),
}

/// Why a name or an image could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The store did not remove it.
    #[error(transparent)]
    Store(#[from] windlass_store::StoreRemoveError),
    /// The image is mounted: its layers are in use.
    #[error("it is mounted on {}", .at.display())]
    Mounted {
        /// Where.
        at: PathBuf,
    },
    /// It could not be found out whether the image is mounted.
    #[error(transparent)]
    Mounts(#[from] MountError),
}
