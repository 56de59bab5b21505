//! Removes names and images.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use windlass_oci::{Digest, ImageId, ImageName};
use windlass_store::{RemoveOptions, RemovedItem, StoreRemoval, StoreRemoveError};

use crate::engine::Engine;
use crate::mount::{MountError, mounts};

/// An item that [`Engine::remove`] removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Removed {
    /// A name, in its short form.
    Untagged(String),
    /// An image (its ID) or a layer of it (its chain ID).
    Deleted(Digest),
}

/// The result of [`Engine::remove`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The removed items, in order.
    pub removed: Vec<Removed>,
    /// The freed space in bytes, as `du` counts it.
    pub freed: u64,
}

/// Why a name or an image could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The store rejected the removal.
    #[error(transparent)]
    Store(#[from] StoreRemoveError),
    /// The image is mounted: its layers are in use.
    #[error("it is mounted on {}", .at.display())]
    Mounted {
        /// The mount point.
        at: PathBuf,
    },
    /// It could not be determined whether the image is mounted.
    #[error(transparent)]
    Mounts(#[from] MountError),
}

impl Engine {
    /// Removes a name, and the image with it if that was its last one (API-11).
    ///
    /// A mounted image is not removed, and keeps its last name, even by force.
    pub fn remove(&self, name: &ImageName, options: RemoveOptions) -> Result<Removal, RemoveError> {
        let _lock = self.lock_mounts();
        let mounts = mounts()?;
        let is_mounted = |id: &ImageId| mounts.contains_key(id);
        match self.store.remove_unless(name, options, is_mounted) {
            Ok(removal) => Ok(removal.into()),
            Err(StoreRemoveError::InUse { id }) => {
                let at = mounts.get(&id).cloned().unwrap_or_default();
                Err(RemoveError::Mounted { at })
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl From<StoreRemoval> for Removal {
    fn from(removal: StoreRemoval) -> Self {
        Self {
            removed: removal.removed.into_iter().map(Removed::from).collect(),
            freed: removal.freed,
        }
    }
}

impl From<RemovedItem> for Removed {
    fn from(removed: RemovedItem) -> Self {
        match removed {
            RemovedItem::Untagged(name) => Self::Untagged(name.familiar()),
            RemovedItem::Image(id) => Self::Deleted(*id.digest()),
            RemovedItem::Layer { chain_id, .. } => Self::Deleted(*chain_id.digest()),
        }
    }
}
