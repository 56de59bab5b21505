//! Errors of transfers of images between the store, files and registries.

use std::io;

use windlass::error::{
    CopyImageError, ExportError, ImportError, LoadError, PushImageError, RegistryError, SaveError,
};

/// Why images could not be transferred.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Images cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// No image can be made of a tar.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A root file system cannot be exported.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A URL cannot be downloaded.
    #[error(transparent)]
    Url(RegistryError),
    /// Images cannot be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// Images cannot be pushed.
    #[error(transparent)]
    Push(#[from] PushImageError),
    /// An image cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyImageError),
    /// A file or standard input cannot be read.
    #[error("cannot {action}")]
    File {
        /// What failed, as an infinitive: `open it`.
        action: &'static str,
        /// The error of the system.
        source: io::Error,
    },
}
