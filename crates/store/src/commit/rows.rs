//! The one transaction of a commit.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use windlass_oci::{Digest, ImageConfig, ImageId, Reference, RepositoryName};

use super::error::CommitError;
use super::new_image::{LayerSource, NewImage};
use super::outcome::CommitOutcome;
use crate::database::{TextColumn, to_integer};
use crate::error::{DatabaseError, FileError};
use crate::failpoint::{self, FailureStep};
use crate::store_inner::StoreInner;
use crate::{LayerMetadata, path_list};

/// The images that the names referred to before.
#[derive(Debug)]
pub(super) struct RecordedNames {
    pub(super) outcome: CommitOutcome,
    pub(super) digest_stays_with: Option<ImageId>,
    pub(super) tag_taken_from: Option<ImageId>,
}

/// Why the rows were not written, or may not have been.
#[derive(Debug)]
pub(super) enum RecordError {
    /// No row was written.
    NotWritten(CommitError),
    /// The commit of the transaction failed, and its log may or may not be complete.
    Uncertain(DatabaseError),
}

impl RecordError {
    pub(super) fn is_nothing_written(&self) -> bool {
        matches!(self, Self::NotWritten(_))
    }
}

impl From<FileError> for RecordError {
    fn from(error: FileError) -> Self {
        Self::NotWritten(error.into())
    }
}

impl From<DatabaseError> for RecordError {
    fn from(error: DatabaseError) -> Self {
        Self::NotWritten(error.into())
    }
}

impl From<CommitError> for RecordError {
    fn from(error: CommitError) -> Self {
        Self::NotWritten(error)
    }
}

impl From<RecordError> for CommitError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::NotWritten(error) => error,
            RecordError::Uncertain(error) => error.into(),
        }
    }
}

/// Writes the rows of `image` and its names.
pub(super) fn record(
    inner: &StoreInner,
    image: &NewImage,
    config: &ImageConfig,
    tag: Option<&Reference>,
) -> Result<RecordedNames, RecordError> {
    failpoint::point(FailureStep::Begin)?;
    let database = inner.database();
    let layers = image.layers.iter().map(|layer| match &layer.layer {
        LayerSource::New(draft) => layer_row(draft.metadata()).map(Some),
        LayerSource::Stored(_) => Ok(None),
    });
    let layers: Vec<_> = layers.collect::<Result<_, _>>()?;
    let mut connection = database.connection();
    let error = |source| database.error(source);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(error)?;
    let written = write_blobs(&transaction, image)
        .and_then(|()| {
            layers
                .iter()
                .flatten()
                .try_for_each(|layer| layer.write(&transaction))
        })
        .and_then(|()| write_layer_blobs(&transaction, image))
        .and_then(|()| write_image(&transaction, image, config))
        .and_then(|()| write_names(&transaction, image))
        .and_then(|recorded| write_user_tag(&transaction, image, tag, recorded));
    let recorded = written.map_err(error)?;
    failpoint::point(FailureStep::Commit)?;
    match inner.end(transaction) {
        Ok(()) => Ok(recorded),
        // A full disk is detected before the log is complete. Other errors may occur after that.
        Err(error) if error.is_no_space() => Err(RecordError::NotWritten(error.into())),
        Err(error) => Err(RecordError::Uncertain(error)),
    }
}

/// The columns of a layer.
struct LayerRow<'a> {
    metadata: &'a LayerMetadata,
    implied_directories: Vec<u8>,
    lower_links: Vec<u8>,
}

fn layer_row(metadata: &LayerMetadata) -> Result<LayerRow<'_>, CommitError> {
    let invalid = || CommitError::Path {
        diff_id: metadata.diff_id,
    };
    let implied = metadata.implied_directories.iter().map(Vec::as_slice);
    Ok(LayerRow {
        metadata,
        implied_directories: path_list::join(implied).ok_or_else(invalid)?,
        lower_links: path_list::join_links(&metadata.lower_links).ok_or_else(invalid)?,
    })
}

impl LayerRow<'_> {
    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT INTO layers
                   (diff_id, size, entries, implied_directories, lower_links, created)
                   VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let row = params![
            TextColumn(self.metadata.diff_id),
            to_integer(self.metadata.size),
            to_integer(self.metadata.entries),
            self.implied_directories,
            self.lower_links,
            now(),
        ];
        connection.execute(sql, row).map(drop)
    }
}

fn write_blobs(connection: &Connection, image: &NewImage) -> rusqlite::Result<()> {
    let sql = "INSERT INTO blobs (digest, size) VALUES (?, ?)
               ON CONFLICT DO UPDATE SET size = excluded.size";
    for blob in image.blobs() {
        connection.execute(
            sql,
            params![TextColumn(blob.digest()), to_integer(blob.size())],
        )?;
    }
    Ok(())
}

/// Records which blob a layer was unpacked from: only for layers that were unpacked for this image.
fn write_layer_blobs(connection: &Connection, image: &NewImage) -> rusqlite::Result<()> {
    let sql = "INSERT INTO layer_blobs (diff_id, blob) VALUES (?, ?) ON CONFLICT DO NOTHING";
    for layer in &image.layers {
        if let (LayerSource::New(draft), Some(blob)) = (&layer.layer, &layer.blob) {
            connection.execute(
                sql,
                params![TextColumn(draft.diff_id()), TextColumn(blob.digest())],
            )?;
        }
    }
    Ok(())
}

/// An image that is already stored keeps the manifest it came with, whose layer blobs are stored. A second
/// manifest for the same config is stored beside it.
fn write_image(
    connection: &Connection,
    image: &NewImage,
    config: &ImageConfig,
) -> rusqlite::Result<()> {
    let id = TextColumn(image.config.digest());
    let platform = config.platform();
    let sql =
        "INSERT INTO images (id, manifest, index_digest, os, architecture, variant, os_version,
                                   created, pulled)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let row = params![
        id,
        TextColumn(image.manifest.digest()),
        image
            .indexes
            .first()
            .map(|index| TextColumn(index.digest())),
        platform.os,
        platform.architecture,
        platform.variant,
        platform.os_version,
        config.created,
        now(),
    ];
    if connection.execute(sql, row)? > 0 {
        write_chain(connection, image, config)?;
    }
    let sql = "INSERT INTO image_blobs (image, digest) VALUES (?, ?) ON CONFLICT DO NOTHING";
    for blob in image.blobs() {
        connection.execute(sql, params![id, TextColumn(blob.digest())])?;
    }
    link_layer_blobs(connection, id)
}

/// Links a blob of each layer to the image: the one in the manifest, if it is stored. If that one is not known
/// to unpack to the layer, because the layer came with another image and another compression, also one that is.
fn link_layer_blobs(connection: &Connection, id: TextColumn<&Digest>) -> rusqlite::Result<()> {
    let sql = "INSERT INTO image_blobs (image, digest)
               SELECT image, blob FROM image_layers JOIN blobs ON digest = blob WHERE image = ?
               ON CONFLICT DO NOTHING";
    connection.execute(sql, [id])?;
    let sql = "INSERT INTO image_blobs (image, digest)
               SELECT ?1, MIN(layer_blobs.blob)
               FROM layer_blobs JOIN image_layers USING (diff_id) WHERE image = ?1
               GROUP BY diff_id
               HAVING NOT MAX(layer_blobs.blob = image_layers.blob)
               ON CONFLICT DO NOTHING";
    connection.execute(sql, [id]).map(drop)
}

fn write_chain(
    connection: &Connection,
    image: &NewImage,
    config: &ImageConfig,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO image_layers (image, position, diff_id, chain_id, blob, blob_size)
               VALUES (?, ?, ?, ?, ?, ?)";
    let mut insert = connection.prepare(sql)?;
    for (position, (layer, chain_id)) in image.layers.iter().zip(config.chain_ids()).enumerate() {
        insert.execute(params![
            TextColumn(image.config.digest()),
            to_integer(position as u64),
            TextColumn(layer.layer.diff_id()),
            TextColumn(chain_id),
            TextColumn(layer.digest),
            to_integer(layer.size),
        ])?;
    }
    Ok(())
}

/// Sets the tag and the digest reference (ST-2, ST-3, ST-4). If the digest is that of an index and already refers to the
/// image for another platform, an image that was pulled without a tag is named by the digest of its manifest.
fn write_names(connection: &Connection, image: &NewImage) -> rusqlite::Result<RecordedNames> {
    let id = ImageId::new(*image.config.digest());
    let Some(reference) = &image.reference else {
        let outcome = CommitOutcome::UpToDate;
        return Ok(RecordedNames {
            outcome,
            digest_stays_with: None,
            tag_taken_from: None,
        });
    };
    let previous = write_digest_reference(connection, reference.repository(), image.target(), &id)?;
    let digest_stays_with = previous.filter(|other| *other != id);
    let is_unchanged = match reference.tag() {
        Some(_) => write_tag(connection, reference, image.target(), &id)? == Some(id),
        // Without a name of its own the image could be reached by its ID only.
        None if digest_stays_with.is_some() => {
            let (repository, own) = (reference.repository(), image.manifest.digest());
            write_digest_reference(connection, repository, own, &id)? == Some(id)
        }
        None => previous == Some(id),
    };
    let outcome = if is_unchanged {
        CommitOutcome::UpToDate
    } else {
        CommitOutcome::Downloaded
    };
    Ok(RecordedNames {
        outcome,
        digest_stays_with,
        tag_taken_from: None,
    })
}

/// Sets a tag that the user chose.
fn write_user_tag(
    connection: &Connection,
    image: &NewImage,
    tag: Option<&Reference>,
    recorded: RecordedNames,
) -> rusqlite::Result<RecordedNames> {
    let Some(tag) = tag else { return Ok(recorded) };
    let id = ImageId::new(*image.config.digest());
    let previous = write_tag(connection, tag, image.target(), &id)?;
    Ok(RecordedNames {
        tag_taken_from: previous.filter(|previous| *previous != id),
        ..recorded
    })
}

/// Sets a digest reference to `id`, unless it exists. Returns the image it referred to before.
pub(crate) fn write_digest_reference(
    connection: &Connection,
    repository: &RepositoryName,
    target: &Digest,
    id: &ImageId,
) -> rusqlite::Result<Option<ImageId>> {
    let sql = "SELECT image FROM digest_references WHERE repository = ? AND digest = ?";
    let row = params![TextColumn(repository), TextColumn(target)];
    let previous: Option<TextColumn<ImageId>> = connection
        .query_row(sql, row, |row| row.get(0))
        .optional()?;
    if previous.is_none() {
        let sql = "INSERT INTO digest_references (repository, digest, image) VALUES (?, ?, ?)";
        connection.execute(
            sql,
            params![TextColumn(repository), TextColumn(target), TextColumn(id)],
        )?;
    }
    Ok(previous.map(|previous| previous.0))
}

/// Sets the tag of `reference` to `id`, and returns the image it referred to before.
pub(crate) fn write_tag(
    connection: &Connection,
    reference: &Reference,
    target: &Digest,
    id: &ImageId,
) -> rusqlite::Result<Option<ImageId>> {
    let (repository, tag) = (
        TextColumn(reference.repository()),
        reference.tag().map(TextColumn),
    );
    let sql = "SELECT image FROM tags WHERE repository = ? AND tag = ?";
    let previous: Option<TextColumn<ImageId>> = connection
        .query_row(sql, params![repository, tag], |row| row.get(0))
        .optional()?;
    let sql = "INSERT INTO tags (repository, tag, image, target) VALUES (?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET image = excluded.image, target = excluded.target";
    connection.execute(
        sql,
        params![repository, tag, TextColumn(id), TextColumn(target)],
    )?;
    Ok(previous.map(|previous| previous.0))
}

/// Returns the time for display; no decision depends on it.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| to_integer(since.as_secs()))
}
