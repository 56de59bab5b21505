//! Garbage collection: blobs and layers that no image and no lease needs.

use std::ffi::OsStr;
use std::os::fd::AsFd as _;

use rusqlite::{Connection, Row};
use windlass_oci::{DiffId, Digest};

use crate::commit::move_to_drafts;
use crate::database::TextColumn;
use crate::error::{FileError, FileErrorContext};
use crate::failpoint::{self, FailureStep};
use crate::lease::{LeasedContent, Leases};
use crate::store_root::{StoreArea, StoreRoot};
use crate::tree;

/// Content whose rows are deleted and whose files remain.
#[derive(Debug)]
pub(super) struct Garbage {
    blobs: Vec<Digest>,
    layers: Vec<Digest>,
}

impl Garbage {
    /// Deletes the rows of all content that no image and no lease needs.
    pub(super) fn collect(connection: &Connection, leases: &Leases) -> rusqlite::Result<Self> {
        let sql = "SELECT diff_id FROM layers
                   WHERE diff_id NOT IN (SELECT diff_id FROM image_layers)";
        let layers = unleased(connection, sql, |layer| {
            leases.is_leased(&LeasedContent::Layer(DiffId::new(layer)))
        })?;
        let sql = "SELECT digest FROM blobs WHERE digest NOT IN (SELECT digest FROM image_blobs)";
        let blobs = unleased(connection, sql, |blob| {
            leases.is_leased(&LeasedContent::Blob(blob))
        })?;
        for layer in &layers {
            connection.execute("DELETE FROM layers WHERE diff_id = ?", [TextColumn(layer)])?;
        }
        for blob in &blobs {
            connection.execute("DELETE FROM blobs WHERE digest = ?", [TextColumn(blob)])?;
        }
        Ok(Self { blobs, layers })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.layers.is_empty()
    }

    /// Removes the files, and returns the bytes of disk space freed. The rows are deleted durably, so a failure
    /// here is not a failure of the deletion: the next opening removes what is left.
    pub(super) fn remove(&self, root: &StoreRoot) -> u64 {
        let (mut is_complete, mut freed) = (true, 0);
        let mut check = |result: Result<(), FileError>| {
            if let Err(error) = result {
                tracing::warn!(%error, "cannot remove a file; the next opening removes it");
                is_complete = false;
            }
        };
        for blob in &self.blobs {
            check(remove_blob(root, blob, &mut freed));
        }
        let mut moved = Vec::new();
        for layer in &self.layers {
            check(take_layer(root, layer).map(|name| moved.extend(name)));
        }
        // The content directories are clean: `drafts/` is swept without the marker, too.
        if is_complete {
            root.clear_unsettled();
        }
        for name in moved {
            let path = root.area_path(StoreArea::Drafts).join(&name);
            let removed = failpoint::point(FailureStep::RemoveTree).and_then(|()| {
                tree::remove_counting(root.area(StoreArea::Drafts), name.as_ref(), &mut freed)
                    .at("remove", || path)
            });
            if let Err(error) = removed {
                tracing::warn!(%error, "cannot remove a file; the next opening removes it");
            }
        }
        freed
    }
}

fn unleased(
    connection: &Connection,
    sql: &str,
    is_leased: impl Fn(Digest) -> bool,
) -> rusqlite::Result<Vec<Digest>> {
    let digest = |row: &Row<'_>| row.get(0).map(|TextColumn(digest)| digest);
    let mut statement = connection.prepare(sql)?;
    let unused = statement.query_map([], digest)?;
    let free = unused.filter(|digest| !digest.as_ref().is_ok_and(|digest| is_leased(*digest)));
    free.collect()
}

fn remove_blob(root: &StoreRoot, blob: &Digest, freed: &mut u64) -> Result<(), FileError> {
    failpoint::point(FailureStep::RemoveContent)?;
    match root.content_directory(StoreArea::Blobs, blob.algorithm())? {
        Some(directory) => {
            tree::remove_counting(directory.dir.as_fd(), OsStr::new(&blob.hex()), freed)
                .at("remove", || root.content_path(StoreArea::Blobs, blob))
        }
        None => Ok(()),
    }
}

/// Moves a layer to `drafts/`, if it exists, and returns its name there.
fn take_layer(root: &StoreRoot, layer: &Digest) -> Result<Option<String>, FileError> {
    failpoint::point(FailureStep::RemoveContent)?;
    let Some(directory) = root.content_directory(StoreArea::Layers, layer.algorithm())? else {
        return Ok(None);
    };
    match move_to_drafts(root, &directory, OsStr::new(&layer.hex())) {
        Ok(name) => Ok(Some(name)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
