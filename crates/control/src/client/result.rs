//! The result that belongs to a request. Every other result is an error.

use windlass::image::Digest;
use windlass::{Loaded, Pruned, Pulled, Removal};

use crate::error::ControlError;
use crate::message::OperationResult;

impl OperationResult {
    /// Checks that the operation has no result.
    pub(super) fn completed(self) -> Result<(), ControlError> {
        match self {
            Self::Completed => Ok(()),
            Self::Pulled(_)
            | Self::Removed { .. }
            | Self::Pruned { .. }
            | Self::Copied { .. }
            | Self::Loaded { .. } => Err(ControlError::unexpected_result()),
        }
    }

    /// Returns the image that was pulled.
    pub(super) fn pulled(self) -> Result<Pulled, ControlError> {
        match self {
            Self::Pulled(pulled) => Ok(*pulled),
            Self::Completed
            | Self::Removed { .. }
            | Self::Pruned { .. }
            | Self::Copied { .. }
            | Self::Loaded { .. } => Err(ControlError::unexpected_result()),
        }
    }

    /// Returns what was removed.
    pub(super) fn removed(self) -> Result<Removal, ControlError> {
        match self {
            Self::Removed { removal } => Ok(removal),
            Self::Completed
            | Self::Pulled(_)
            | Self::Pruned { .. }
            | Self::Copied { .. }
            | Self::Loaded { .. } => Err(ControlError::unexpected_result()),
        }
    }

    /// Returns what was pruned.
    pub(super) fn pruned(self) -> Result<Pruned, ControlError> {
        match self {
            Self::Pruned { pruned } => Ok(pruned),
            Self::Completed
            | Self::Pulled(_)
            | Self::Removed { .. }
            | Self::Copied { .. }
            | Self::Loaded { .. } => Err(ControlError::unexpected_result()),
        }
    }

    /// Returns the digest of the image that was copied.
    pub(super) fn copied(self) -> Result<Digest, ControlError> {
        match self {
            Self::Copied { digest } => Ok(digest),
            Self::Completed
            | Self::Pulled(_)
            | Self::Removed { .. }
            | Self::Pruned { .. }
            | Self::Loaded { .. } => Err(ControlError::unexpected_result()),
        }
    }

    /// Returns the images that were loaded or imported.
    pub(super) fn loaded(self) -> Result<Vec<Loaded>, ControlError> {
        match self {
            Self::Loaded { loaded } => Ok(loaded),
            Self::Completed
            | Self::Pulled(_)
            | Self::Removed { .. }
            | Self::Pruned { .. }
            | Self::Copied { .. } => Err(ControlError::unexpected_result()),
        }
    }
}
