//! Errors of writing a merged tar.

use std::io;

use crate::error::UnpackError;

/// The reason why a layer could not be written to the merged tar.
#[derive(Debug, thiserror::Error)]
pub enum FlattenError {
    /// The layer cannot be read.
    #[error(transparent)]
    Layer(#[from] UnpackError),
    /// The merged tar cannot be written.
    #[error("cannot write")]
    Write(#[source] io::Error),
}
