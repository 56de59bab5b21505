//! Removes unused images and partial downloads.

use serde::{Deserialize, Serialize};
use windlass_store::{DatabaseError, IngestError, PartialBlob, UsageError};

use crate::engine::Engine;
use crate::filter::select::Selection;
use crate::filter::{FilterUse, Filters};
use crate::mount::{MountError, mounts};
use crate::remove::Removed;
use crate::store_error::StoreError;

/// The selection of [`Engine::prune`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prune {
    /// Whether all images are removed, and not only those without a tag. A filter `dangling=false` means the same.
    pub all: bool,
    /// Whether partial blobs are removed as well, which the next pull could resume.
    pub partials: bool,
    /// The filters for the images.
    pub filters: Filters,
}

/// The result of [`Engine::prune`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// The removed items, by image.
    pub removed: Vec<Removed>,
    /// The removed partial blobs.
    pub partials: Vec<PartialBlob>,
    /// The freed space in bytes, as `du` counts it.
    pub freed: u64,
}

/// Why images could not be pruned. Some may be removed already.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The images to prune cannot be determined.
    #[error(transparent)]
    Find(#[from] StoreError),
    /// The mounted images could not be determined.
    #[error(transparent)]
    Mounts(#[from] MountError),
    /// The images could not be removed.
    #[error(transparent)]
    Remove(#[from] windlass_store::StoreRemoveError),
    /// The partial blobs could not be removed.
    #[error(transparent)]
    Partials(#[from] IngestError),
}

impl Engine {
    /// Removes the images without a tag, or all, and the content that no other image uses.
    ///
    /// An image that has digest references only has no tag (API 17.03). Mounted images stay, and so does content that a
    /// running pull uses.
    pub fn prune(&self, what: &Prune) -> Result<Pruned, PruneError> {
        let _lock = self.lock_mounts();
        let removal = self.store.prune(&self.to_prune(what)?)?;
        let (partials, freed) = match what.partials {
            true => self.store.remove_partials()?,
            false => Default::default(),
        };
        Ok(Pruned {
            removed: removal.removed.into_iter().map(Removed::from).collect(),
            partials,
            freed: removal.freed + freed,
        })
    }

    /// Returns what [`Engine::prune`] would remove if no pull was running. Changes nothing.
    pub fn prune_preview(&self, what: &Prune) -> Result<Pruned, PruneError> {
        let chosen = self.to_prune(what)?;
        let removal = self
            .store
            .prune_preview(&chosen)
            .map_err(StoreError::from)?;
        let (partials, freed) = match what.partials {
            true => {
                let partials = self.store.remove_partials_preview();
                partials.map_err(|error| StoreError::from(UsageError::from(error)))?
            }
            false => Default::default(),
        };
        Ok(Pruned {
            removed: removal.removed.into_iter().map(Removed::from).collect(),
            partials,
            freed: removal.freed + freed,
        })
    }

    /// Of what filters compare, only tags can change: the store checks them again.
    fn to_prune(&self, what: &Prune) -> Result<windlass_store::PruneSelection, PruneError> {
        let mounts = mounts()?;
        let selection = Selection::new(FilterUse::Prune, &self.store, &what.filters)?;
        let mut chosen = windlass_store::PruneSelection {
            tagged: match what.filters.dangling() {
                Some(dangling) => !dangling,
                None => what.all,
            },
            ..Default::default()
        };
        for image in self.store.images().map_err(find_error)? {
            if !mounts.contains_key(&image.id) && selection.selects(&self.store, &image)? {
                chosen.images.insert(image.id);
            }
        }
        Ok(chosen)
    }
}

fn find_error(error: DatabaseError) -> PruneError {
    PruneError::Find(error.into())
}
