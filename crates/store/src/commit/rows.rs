//! The one transaction of a commit.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use windlass_oci::{Digest, ImageConfig, ImageId, Reference, RepositoryName};

use super::{CommitError, CommitOutcome, LayerSource, NewImage};
use crate::database::{TextColumn, to_integer};
use crate::error::{DatabaseError, FileError};
use crate::fail::{self, CommitStep};
use crate::store::StoreInner;
use crate::{LayerMetadata, paths};

/// What the names of the image were before.
#[derive(Debug)]
pub(super) struct RecordedNames {
    pub(super) outcome: CommitOutcome,
    pub(super) digest_stays_with: Option<ImageId>,
    pub(super) tag_taken_from: Option<ImageId>,
}

/// Why the rows were not, or may not have been, written.
#[derive(Debug)]
pub(super) enum RecordError {
    /// None of them is there.
    Undone(CommitError),
    /// Perhaps they are: the end of the transaction failed, and its log may or may not be complete.
    Uncertain(DatabaseError),
}

impl RecordError {
    pub(super) fn is_certain(&self) -> bool {
        matches!(self, Self::Undone(_))
    }
}

impl From<FileError> for RecordError {
    fn from(error: FileError) -> Self {
        Self::Undone(error.into())
    }
}

impl From<DatabaseError> for RecordError {
    fn from(error: DatabaseError) -> Self {
        Self::Undone(error.into())
    }
}

impl From<CommitError> for RecordError {
    fn from(error: CommitError) -> Self {
        Self::Undone(error)
    }
}

impl From<RecordError> for CommitError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Undone(error) => error,
            RecordError::Uncertain(error) => error.into(),
        }
    }
}

/// Enters `image` and its names.
pub(super) fn record(
    inner: &StoreInner,
    image: &NewImage,
    config: &ImageConfig,
    tag: Option<&Reference>,
) -> Result<RecordedNames, RecordError> {
    fail::point(CommitStep::Begin)?;
    let database = inner.database();
    let layers = image.layers.iter().map(|layer| match &layer.layer {
        LayerSource::New(draft) => new_layer(draft.metadata()).map(Some),
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
        .and_then(|recorded| write_given(&transaction, image, tag, recorded));
    let recorded = written.map_err(error)?;
    fail::point(CommitStep::Commit)?;
    match inner.end(transaction) {
        Ok(()) => Ok(recorded),
        // A full disk is noticed before the log is complete. Anything else may come too late.
        Err(error) if error.is_no_space() => Err(RecordError::Undone(error.into())),
        Err(error) => Err(RecordError::Uncertain(error)),
    }
}

/// A layer, as its columns hold it.
struct LayerRow<'a> {
    facts: &'a LayerMetadata,
    implied_directories: Vec<u8>,
    lower_links: Vec<u8>,
}

fn new_layer(facts: &LayerMetadata) -> Result<LayerRow<'_>, CommitError> {
    let invalid = || CommitError::Path {
        diff_id: facts.diff_id,
    };
    let implied = facts.implied_directories.iter().map(Vec::as_slice);
    Ok(LayerRow {
        facts,
        implied_directories: paths::join(implied).ok_or_else(invalid)?,
        lower_links: paths::join_links(&facts.lower_links).ok_or_else(invalid)?,
    })
}

impl LayerRow<'_> {
    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT INTO layers
                   (diff_id, size, entries, implied_directories, lower_links, created)
                   VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let row = params![
            TextColumn(self.facts.diff_id),
            to_integer(self.facts.size),
            to_integer(self.facts.entries),
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

/// Only a layer that was unpacked for this image was seen to come from its blob.
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

/// An image that is there already keeps the manifest it came with, whose layer blobs are the ones held.
/// A second manifest for the same config is kept beside it.
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
    keep_layer_blobs(connection, id)
}

/// Has the image keep a blob of each of its layers. That is the one its manifest names, if it is held; and
/// where that one was not seen to give the layer, as when the layer came with another image that had it
/// compressed otherwise, one that was.
fn keep_layer_blobs(connection: &Connection, id: TextColumn<&Digest>) -> rusqlite::Result<()> {
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

/// Sets the tag and the digest reference (ST-2, ST-3, ST-4).
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
    let had = write_digest_reference(connection, reference.repository(), image.target(), &id)?;
    let digest_stays_with = had.filter(|other| *other != id);
    let led_here = match reference.tag() {
        Some(_) => write_tag(connection, reference, image.target(), &id)? == Some(id),
        None => had == Some(id),
    };
    let outcome = if led_here {
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

/// Sets a tag that the user gives, and not a registry.
fn write_given(
    connection: &Connection,
    image: &NewImage,
    tag: Option<&Reference>,
    recorded: RecordedNames,
) -> rusqlite::Result<RecordedNames> {
    let Some(tag) = tag else { return Ok(recorded) };
    let id = ImageId::new(*image.config.digest());
    let had = write_tag(connection, tag, image.target(), &id)?;
    Ok(RecordedNames {
        tag_taken_from: had.filter(|had| *had != id),
        ..recorded
    })
}

/// Lets a digest lead to `id`, unless it leads somewhere already. Returns where it led before.
pub(crate) fn write_digest_reference(
    connection: &Connection,
    repository: &RepositoryName,
    target: &Digest,
    id: &ImageId,
) -> rusqlite::Result<Option<ImageId>> {
    let sql = "SELECT image FROM digest_references WHERE repository = ? AND digest = ?";
    let row = params![TextColumn(repository), TextColumn(target)];
    let had: Option<TextColumn<ImageId>> = connection
        .query_row(sql, row, |row| row.get(0))
        .optional()?;
    if had.is_none() {
        let sql = "INSERT INTO digest_references (repository, digest, image) VALUES (?, ?, ?)";
        connection.execute(
            sql,
            params![TextColumn(repository), TextColumn(target), TextColumn(id)],
        )?;
    }
    Ok(had.map(|had| had.0))
}

/// Lets the tag of `reference` lead to `id`, wherever it led before, and returns where that was.
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
    let had: Option<TextColumn<ImageId>> = connection
        .query_row(sql, params![repository, tag], |row| row.get(0))
        .optional()?;
    let sql = "INSERT INTO tags (repository, tag, image, target) VALUES (?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET image = excluded.image, target = excluded.target";
    connection.execute(
        sql,
        params![repository, tag, TextColumn(id), TextColumn(target)],
    )?;
    Ok(had.map(|had| had.0))
}

/// The time for people to see; nothing is decided by it.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| to_integer(since.as_secs()))
}
