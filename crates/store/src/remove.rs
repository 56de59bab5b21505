//! Removes names, and with its last name an image.

mod garbage;

use std::collections::BTreeSet;
use std::error::Error;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use windlass_oci::{ChainId, DiffId, ImageId, ImageName, Reference};

use crate::database::TextColumn;
use crate::error::{DatabaseError, FileError, NotWritable, impl_is_no_space, is_no_space};
use crate::failpoint::{self, FailureStep};
use crate::image::{NameLookup, find, load};
use crate::store_inner::StoreInner;
use crate::{FindError, Image, Store, StoreOpenError};

use garbage::Garbage;

/// How an image is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Whether an image with names in several repositories is removed by its ID.
    pub force: bool,
}

/// What was removed, and the disk space freed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreRemoval {
    /// The removed items, in order.
    pub removed: Vec<RemovedItem>,
    /// The disk space freed, in bytes, as `du` counts it: blocks of blobs and of unpacked layers with their
    /// directories, a file with several names once. Content that a pull is using is freed later.
    pub freed: u64,
}

/// A removed item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovedItem {
    /// A name.
    Untagged(Reference),
    /// An image.
    Image(ImageId),
    /// A layer that no other image has.
    Layer {
        /// The layer.
        diff_id: DiffId,
        /// Its chain ID in this image.
        chain_id: ChainId,
        /// The bytes of file content.
        size: u64,
    },
}

/// Why nothing was removed.
#[derive(Debug, thiserror::Error)]
pub enum StoreRemoveError {
    /// No image, or more than one, has this name.
    #[error(transparent)]
    Find(#[from] FindError),
    /// An ID was given, but the image has several names.
    #[error(
        "image {} has several names ({}): remove them by name, or use force",
        .id.short(), familiar(.names)
    )]
    SeveralNames {
        /// The image.
        id: ImageId,
        /// Its names.
        names: Vec<Reference>,
    },
    /// It is the image's last name, or its ID, and the image is in use.
    #[error("image {} is in use", .id.short())]
    InUse {
        /// The image.
        id: ImageId,
    },
    /// The store was not opened for writing.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl_is_no_space!(StoreRemoveError);

impl Store {
    /// Removes `name`, and the image if that was its last name (API-11).
    ///
    /// A reference is untagged; with the last tag of a repository the image's digest references in that
    /// repository are removed, too. An ID removes the image with all its names, if they are one tag and its
    /// digests, or with `force`. Content that no other image and no running pull needs is removed with it: rows
    /// first, durably, and then files, so that a crash leaves files without rows and never rows without files.
    ///
    /// This works on a full disk: space is reserved for it.
    pub fn remove(
        &self,
        name: &ImageName,
        options: RemoveOptions,
    ) -> Result<StoreRemoval, StoreRemoveError> {
        self.remove_unless(name, options, |_| false)
    }

    /// Removes like [`Store::remove`], but images for which `is_used` returns true keep their last name, even
    /// with `force`.
    pub fn remove_unless(
        &self,
        name: &ImageName,
        options: RemoveOptions,
        is_used: impl Fn(&ImageId) -> bool,
    ) -> Result<StoreRemoval, StoreRemoveError> {
        let inner = self.writable()?;
        let settling = inner.lock_settling();
        let removal = change_and_collect(inner, |transaction| {
            let (image, removed_names) = find_names(inner, transaction, name, options)?;
            if image.has_only_names(&removed_names) && is_used(&image.id) {
                return Err(StoreRemoveError::InUse { id: image.id });
            }
            let error = |source| inner.database().error(source);
            Ok(remove_rows(transaction, &image, removed_names).map_err(error)?)
        });
        drop(settling);
        let (removed, freed) = removal?;
        Ok(StoreRemoval { removed, freed })
    }
}

/// Removes content that no image and no lease needs.
pub(crate) fn collect_garbage(inner: &StoreInner) -> Result<(), StoreOpenError> {
    change_and_collect(inner, |_| Ok(())).map(|((), _)| ())
}

/// Changes rows, and then removes the files that no row needs any more; returns the bytes freed.
pub(crate) fn change_and_collect<T, E>(
    inner: &StoreInner,
    mut rows: impl FnMut(&Transaction<'_>) -> Result<T, E>,
) -> Result<(T, u64), E>
where
    E: Error + From<FileError> + From<DatabaseError> + 'static,
{
    let root = inner.root();
    let (changed, garbage) = match change_rows(inner, &mut rows) {
        Err(error) if is_no_space(&error) && root.release_reserve() => {
            change_rows(inner, &mut rows)
        }
        other => other,
    }?;
    let freed = match garbage.is_empty() {
        true => 0,
        false => garbage.remove(root),
    };
    root.create_reserve();
    Ok((changed, freed))
}

fn change_rows<T, E>(
    inner: &StoreInner,
    rows: &mut impl FnMut(&Transaction<'_>) -> Result<T, E>,
) -> Result<(T, Garbage), E>
where
    E: From<FileError> + From<DatabaseError>,
{
    let database = inner.database();
    let root = inner.root();
    let mut connection = database.connection();
    let error = |source| database.error(source);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(error)?;
    let changed = rows(&transaction)?;
    let garbage = Garbage::collect(&transaction, inner.leases()).map_err(error)?;
    if !garbage.is_empty() {
        root.mark_unsettled()?;
        root.sync_top()?;
    }
    failpoint::point(FailureStep::CommitDeletion)?;
    // If the commit fails, it may or may not have happened. Every file is still present, and the marker makes
    // the next opening check which of them are needed.
    inner.end(transaction)?;
    Ok((changed, garbage))
}

/// Finds the image that `name` refers to, and those of its names that are to be removed.
fn find_names(
    inner: &StoreInner,
    transaction: &Transaction<'_>,
    name: &ImageName,
    options: RemoveOptions,
) -> Result<(Image, Vec<Reference>), StoreRemoveError> {
    let error = |source| inner.database().error(source);
    let (id, by) = match find(transaction, name).map_err(error)? {
        NameLookup::One { id, by } => (id, by),
        other => return Err(other.into_error(name).into()),
    };
    let image = load(transaction, Some(&id)).map_err(error)?.pop();
    let image = image.ok_or_else(|| NameLookup::Unknown.into_error(name))?;
    let removed_names = match by {
        Some(reference) => names_to_remove(&image, &reference),
        None => all_names(&image, options)?,
    };
    Ok((image, removed_names))
}

/// Removes `removed_names` of `image`, and the image if no name is left.
fn remove_rows(
    connection: &Connection,
    image: &Image,
    removed_names: Vec<Reference>,
) -> rusqlite::Result<Vec<RemovedItem>> {
    for reference in &removed_names {
        remove_name(connection, reference)?;
    }
    let is_last = image.has_only_names(&removed_names);
    let mut removed: Vec<_> = removed_names
        .into_iter()
        .map(RemovedItem::Untagged)
        .collect();
    if is_last {
        let sql = "DELETE FROM images WHERE id = ?";
        connection.execute(sql, [TextColumn(image.id)])?;
        removed.push(RemovedItem::Image(image.id));
        removed.extend(freed_layers(connection, image)?);
    }
    Ok(removed)
}

impl Image {
    /// Returns whether `removed_names` are all of its names.
    fn has_only_names(&self, removed_names: &[Reference]) -> bool {
        removed_names.len() == self.tags.len() + self.digests.len()
    }

    /// Returns all names, the tags first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Reference> {
        let tags = self.tags.iter().map(|tag| &tag.reference);
        tags.chain(&self.digests)
    }
}

/// Returns the names to remove with `reference`: the last tag of a repository takes the digest references there
/// with it.
fn names_to_remove(image: &Image, reference: &Reference) -> Vec<Reference> {
    let mut removed_names = vec![reference.clone()];
    let repository = reference.repository();
    let is_tag = reference.digest().is_none();
    let of_repository = |other: &Reference| other.repository() == repository;
    let tags = image
        .tags
        .iter()
        .filter(|tag| of_repository(&tag.reference))
        .count();
    if is_tag && tags <= 1 {
        let digests = image.digests.iter().filter(|digest| of_repository(digest));
        removed_names.extend(digests.cloned());
    }
    removed_names
}

/// Returns all names, if they are one tag and the digests of its repository, or with `force`.
fn all_names(image: &Image, options: RemoveOptions) -> Result<Vec<Reference>, StoreRemoveError> {
    let names: Vec<_> = image.names().cloned().collect();
    let repositories: BTreeSet<_> = names.iter().map(Reference::repository).collect();
    let is_one = image.tags.len() <= 1 && repositories.len() <= 1;
    if is_one || options.force {
        return Ok(names);
    }
    let id = image.id;
    Err(StoreRemoveError::SeveralNames { id, names })
}

fn remove_name(connection: &Connection, reference: &Reference) -> rusqlite::Result<()> {
    let repository = TextColumn(reference.repository());
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => {
            let sql = "DELETE FROM digest_references WHERE repository = ? AND digest = ?";
            connection.execute(sql, params![repository, TextColumn(digest)])?;
        }
        (None, tag) => {
            let sql = "DELETE FROM tags WHERE repository = ? AND tag = ?";
            connection.execute(sql, params![repository, tag.map(TextColumn)])?;
        }
    }
    Ok(())
}

/// Returns the layers of `image`, whose rows are deleted, that no other image has; the top first.
fn freed_layers(connection: &Connection, image: &Image) -> rusqlite::Result<Vec<RemovedItem>> {
    let mut freed: Vec<RemovedItem> = Vec::new();
    let mut checked = BTreeSet::new();
    let sql = "SELECT EXISTS (SELECT 1 FROM image_layers WHERE diff_id = ?)";
    for layer in image
        .layers
        .iter()
        .rev()
        .filter(|layer| checked.insert(layer.diff_id))
    {
        let is_needed: bool =
            connection.query_row(sql, [TextColumn(layer.diff_id)], |row| row.get(0))?;
        if !is_needed {
            freed.push(RemovedItem::Layer {
                diff_id: layer.diff_id,
                chain_id: layer.chain_id,
                size: layer.size,
            });
        }
    }
    Ok(freed)
}

fn familiar(names: &[Reference]) -> String {
    let names: Vec<_> = names.iter().map(Reference::familiar).collect();
    names.join(", ")
}
