//! Blobs and layers that nothing wants any more.

use std::ffi::OsStr;
use std::os::fd::AsFd as _;

use rusqlite::{Connection, Row};
use windlass_oci::{DiffId, Digest};

use crate::commit::take_off;
use crate::database::TextColumn;
use crate::error::{At, FileError};
use crate::fail::{self, CommitStep};
use crate::lease::{LeasedContent, Leases};
use crate::root::{Root, StoreArea};
use crate::tree;

/// What has no row any more, and still has its file.
#[derive(Debug)]
pub(super) struct Garbage {
    blobs: Vec<Digest>,
    layers: Vec<Digest>,
}

impl Garbage {
    /// Deletes the rows of all that no image has and no lease keeps.
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

    /// Removes the files, and returns how many bytes of the disk that gave back. The rows are gone for good, so
    /// a failure here is not one of the deletion: what stays behind is nobody's, and the next opening tries again.
    pub(super) fn remove(&self, root: &Root) -> u64 {
        let (mut whole, mut freed) = (true, 0);
        let mut note = |result: Result<(), FileError>| {
            if let Err(error) = result {
                tracing::warn!(%error, "left for the next opening");
                whole = false;
            }
        };
        for blob in &self.blobs {
            note(remove_blob(root, blob, &mut freed));
        }
        let mut trash = Vec::new();
        for layer in &self.layers {
            note(take_layer(root, layer).map(|name| trash.extend(name)));
        }
        // All of it is out of the way: what is in `drafts/` is swept without the note as well.
        if whole {
            root.clear_unsettled();
        }
        for name in trash {
            let path = root.area_path(StoreArea::Drafts).join(&name);
            let removed = fail::point(CommitStep::RemoveTree).and_then(|()| {
                tree::remove_counting(root.area(StoreArea::Drafts), name.as_ref(), &mut freed)
                    .at("remove", || path)
            });
            if let Err(error) = removed {
                tracing::warn!(%error, "left for the next opening");
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
    let unwanted = statement.query_map([], digest)?;
    let free = unwanted.filter(|digest| !digest.as_ref().is_ok_and(|digest| is_leased(*digest)));
    free.collect()
}

fn remove_blob(root: &Root, blob: &Digest, freed: &mut u64) -> Result<(), FileError> {
    fail::point(CommitStep::TakeAway)?;
    match root.content_directory(StoreArea::Blobs, blob.algorithm())? {
        Some(section) => tree::remove_counting(section.dir.as_fd(), OsStr::new(&blob.hex()), freed)
            .at("remove", || root.content_path(StoreArea::Blobs, blob)),
        None => Ok(()),
    }
}

/// Moves a layer to the drafts, if it is there, and returns its name among them.
fn take_layer(root: &Root, layer: &Digest) -> Result<Option<String>, FileError> {
    fail::point(CommitStep::TakeAway)?;
    let Some(section) = root.content_directory(StoreArea::Layers, layer.algorithm())? else {
        return Ok(None);
    };
    match take_off(root, &section, OsStr::new(&layer.hex())) {
        Ok(name) => Ok(Some(name)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
