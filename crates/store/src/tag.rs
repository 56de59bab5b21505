//! Adds names to images.

use rusqlite::{OptionalExtension as _, TransactionBehavior, params};
use windlass_oci::{Digest, ImageId, ImageName, Reference, RepositoryName};

use crate::commit::{write_digest_reference, write_tag};
use crate::database::TextColumn;
use crate::error::{DatabaseError, NotWritable, impl_is_no_space};
use crate::image::{NameLookup, find, load};
use crate::{FindError, Store};

/// Why a name could not be set.
#[derive(Debug, thiserror::Error)]
pub enum TagImageError {
    /// No image, or more than one, has the source name.
    #[error(transparent)]
    Find(#[from] FindError),
    /// Digest references are set by pulls and pushes only (RS-2).
    #[error("{} has a digest and cannot be set as a name", .reference.familiar())]
    Digest {
        /// The name.
        reference: Reference,
    },
    /// The store was not opened for writing.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl_is_no_space!(TagImageError);

impl Store {
    /// Sets the tag of `target` (or `latest`) to the image that `source` refers to.
    ///
    /// Returns the image that had the tag before, if it is another one.
    pub fn tag(
        &self,
        source: &ImageName,
        target: &Reference,
    ) -> Result<Option<ImageId>, TagImageError> {
        let inner = self.writable()?;
        if target.digest().is_some() {
            let reference = target.clone();
            return Err(TagImageError::Digest { reference });
        }
        let target = target.clone().or_latest();
        let database = inner.database();
        let mut connection = database.connection();
        let error = |source| database.error(source);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(error)?;
        let id = match find(&transaction, source).map_err(error)? {
            NameLookup::One { id, .. } => id,
            other => return Err(other.into_error(source).into()),
        };
        let previous = target_of_name(&transaction, source, &id)
            .and_then(|digest| write_tag(&transaction, &target, &digest, &id))
            .map_err(error)?;
        inner.end(transaction)?;
        Ok(previous.filter(|previous| *previous != id))
    }

    /// Sets a digest reference to the image that `name` refers to, after it was pushed to `repository`, as if
    /// it had been pulled from there. An existing digest reference stays as it is (ST-4).
    pub fn record_push(
        &self,
        name: &ImageName,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), TagImageError> {
        let inner = self.writable()?;
        let database = inner.database();
        let mut connection = database.connection();
        let error = |source| database.error(source);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(error)?;
        let id = match find(&transaction, name).map_err(error)? {
            NameLookup::One { id, .. } => id,
            other => return Err(other.into_error(name).into()),
        };
        write_digest_reference(&transaction, repository, digest, &id).map_err(error)?;
        inner.end(transaction)?;
        Ok(())
    }
}

/// Returns the manifest or index that `source` referred to when it was pulled.
fn target_of_name(
    connection: &rusqlite::Connection,
    source: &ImageName,
    id: &ImageId,
) -> rusqlite::Result<Digest> {
    let tag = match source {
        ImageName::Reference(reference) | ImageName::ReferenceOrPrefix(reference, _) => {
            reference.clone().or_latest()
        }
        ImageName::Id(_) | ImageName::IdPrefix(_) => return target_of(connection, id),
    };
    if let Some(digest) = tag.digest() {
        return Ok(*digest);
    }
    let sql = "SELECT target FROM tags WHERE repository = ? AND tag = ? AND image = ?";
    let row = params![
        TextColumn(tag.repository()),
        tag.tag().map(TextColumn),
        TextColumn(id)
    ];
    let target = connection
        .query_row(sql, row, |row| row.get(0))
        .optional()?;
    match target {
        Some(TextColumn(target)) => Ok(target),
        None => target_of(connection, id),
    }
}

fn target_of(connection: &rusqlite::Connection, id: &ImageId) -> rusqlite::Result<Digest> {
    let images = load(connection, Some(id))?;
    let image = images.first().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(*image.target())
}
