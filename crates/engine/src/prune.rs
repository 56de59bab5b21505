//! Removing what nobody has a use for any more.

use serde::{Deserialize, Serialize};
use windlass_store::{DatabaseError, IngestError, PartialBlob, UsageError};

use crate::error::{MountError, StoreError};
use crate::filter::Selection;
use crate::mount::mounts;
use crate::{Engine, Filters, Removed};

/// What [`Engine::prune`] removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prune {
    /// Every image, and not only those without a tag. A filter `dangling=false` asks for the same.
    pub all: bool,
    /// Also the parts of blobs that were kept for the next pull.
    pub partials: bool,
    /// Which of the images.
    pub filters: Filters,
}

/// What was pruned, and what that gave back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// What is gone, image by image.
    pub removed: Vec<Removed>,
    /// The parts of blobs that are gone.
    pub partials: Vec<PartialBlob>,
    /// How much of the disk that gave back, in bytes, as `du` counts them.
    pub freed: u64,
}

/// Why nothing was pruned, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The images to prune cannot be determined.
    #[error(transparent)]
    Find(#[from] StoreError),
    /// It could not be found out what is mounted.
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
    /// Removes images that have no tag, or all; and what no other image has.
    ///
    /// An image that only digests lead to has no tag (API 17.03). What is mounted stays, and so does what a pull that
    /// is running has found here, or is bringing in.
    pub fn prune(&self, what: &Prune) -> Result<Pruned, PruneError> {
        let _nobody_mounts = self.mounting();
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

    /// Returns what [`Engine::prune`] would do if no pull was running. Changes nothing.
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

    /// What a filter compares does not change, but for the tags: the store looks at those once more.
    fn to_prune(&self, what: &Prune) -> Result<windlass_store::PruneSelection, PruneError> {
        let mounts = mounts()?;
        let selection = Selection::new(&self.store, &what.filters)?;
        let mut chosen = windlass_store::PruneSelection {
            tagged: match what.filters.dangling() {
                Some(dangling) => !dangling,
                None => what.all,
            },
            ..Default::default()
        };
        for image in self.store.images().map_err(ask)? {
            if !mounts.contains_key(&image.id) && selection.takes(&self.store, &image)? {
                chosen.images.insert(image.id);
            }
        }
        Ok(chosen)
    }
}

fn ask(error: DatabaseError) -> PruneError {
    PruneError::Find(error.into())
}
