//! Prunes images: removes many of them in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use windlass_oci::{DiffId, ImageId};

use crate::database::TextColumn;
use crate::image::load;
use crate::measure::DiskSizes;
use crate::remove::change_and_collect;
use crate::unshared_content::UnsharedContent;
use crate::{Image, RemovedItem, Store, StoreRemoval, StoreRemoveError, UsageError};

/// The images to prune.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneSelection {
    /// The images that may be removed.
    pub images: BTreeSet<ImageId>,
    /// Whether tagged images are removed, too. This is checked at the time of the removal.
    pub tagged: bool,
}

impl Store {
    /// Removes images with all their names, and content that no other image and no running pull needs, in one
    /// transaction.
    ///
    /// This works on a full disk, as [`Store::remove`] does.
    pub fn prune(&self, selection: &PruneSelection) -> Result<StoreRemoval, StoreRemoveError> {
        let inner = self.writable()?;
        let settling = inner.lock_settling();
        let removal = change_and_collect(inner, |transaction| {
            let error = |source| inner.database().error(source);
            Ok::<_, StoreRemoveError>(remove_rows(transaction, selection).map_err(error)?)
        });
        drop(settling);
        let (removed, freed) = removal?;
        Ok(StoreRemoval { removed, freed })
    }

    /// Returns what [`Store::prune`] would remove if no pull was running. Changes nothing.
    pub fn prune_preview(&self, selection: &PruneSelection) -> Result<StoreRemoval, UsageError> {
        let (removed, unshared) = self.database().query(|connection| {
            let images = load(connection, None)?;
            let chosen = selection.chosen(&images);
            let removed_images = chosen.iter().map(|image| image.id).collect();
            Ok((
                removed(&images, &chosen),
                UnsharedContent::of(connection, &removed_images)?,
            ))
        })?;
        let disk = DiskSizes::of(self);
        let mut freed = 0;
        for blob in &unshared.blobs {
            freed += disk.blob(blob)?;
        }
        for layer in &unshared.layers {
            freed += disk.layer(layer)?;
        }
        Ok(StoreRemoval { removed, freed })
    }
}

impl PruneSelection {
    /// Returns the selected ones of `images`.
    pub(crate) fn chosen<'a>(&self, images: &'a [Image]) -> Vec<&'a Image> {
        let is_chosen = |image: &&Image| {
            self.images.contains(&image.id) && (self.tagged || image.is_dangling())
        };
        images.iter().filter(is_chosen).collect()
    }
}

fn remove_rows(
    connection: &Connection,
    selection: &PruneSelection,
) -> rusqlite::Result<Vec<RemovedItem>> {
    let images = load(connection, None)?;
    let chosen = selection.chosen(&images);
    for image in &chosen {
        for sql in [
            "DELETE FROM tags WHERE image = ?",
            "DELETE FROM digest_references WHERE image = ?",
            "DELETE FROM images WHERE id = ?",
        ] {
            connection.execute(sql, [TextColumn(image.id)])?;
        }
    }
    Ok(removed(&images, &chosen))
}

/// Returns what is removed when `chosen` of `images` are removed one after the other: a layer is removed with
/// the last image that has it, the top layer first.
fn removed(images: &[Image], chosen: &[&Image]) -> Vec<RemovedItem> {
    let mut users: BTreeMap<DiffId, usize> = BTreeMap::new();
    for layer in images.iter().flat_map(|image| &image.layers) {
        *users.entry(layer.diff_id).or_default() += 1;
    }
    let mut removed = Vec::new();
    for image in chosen {
        removed.extend(image.names().cloned().map(RemovedItem::Untagged));
        removed.push(RemovedItem::Image(image.id));
        for layer in &image.layers {
            *users.entry(layer.diff_id).or_default() -= 1;
        }
        for layer in image.layers.iter().rev() {
            // Removed from the map, so that a layer that an image has twice is reported once.
            if users.get(&layer.diff_id) == Some(&0) {
                users.remove(&layer.diff_id);
                removed.push(RemovedItem::Layer {
                    diff_id: layer.diff_id,
                    chain_id: layer.chain_id,
                    size: layer.size,
                });
            }
        }
    }
    removed
}
