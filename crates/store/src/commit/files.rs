//! Moves drafts into place, and back if the commit fails.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::os::fd::AsFd as _;

use rustix::fs::AtFlags;
use rustix::io::Errno;
use windlass_oci::{Algorithm, Digest};

use super::error::CommitError;
use super::new_image::{BlobSource, LayerSource, NewImage};
use crate::error::{DatabaseError, FileError, FileErrorContext};
use crate::failpoint::{self, FailureStep};
use crate::store_inner::StoreInner;
use crate::store_root::{ContentDirectory, StoreArea, StoreRoot, fresh_name, rename_new};
use crate::tree;

/// The drafts of an image that are not stored yet, and the moves done so far.
#[derive(Debug)]
pub(super) struct DraftPublication<'a> {
    root: &'a StoreRoot,
    moves: Vec<DraftMove>,
    /// The number of `moves` that are done.
    done: usize,
    directories: BTreeMap<(&'static str, Algorithm), ContentDirectory>,
}

#[derive(Debug)]
struct DraftMove {
    from: StoreArea,
    name: String,
    to: StoreArea,
    digest: Digest,
}

impl<'a> DraftPublication<'a> {
    /// Plans the moves for the content of `image` that is not stored yet, each once.
    pub(super) fn plan(inner: &'a StoreInner, image: &NewImage) -> Result<Self, CommitError> {
        let mut moves: Vec<DraftMove> = Vec::new();
        let mut add = |next: DraftMove| {
            if !moves
                .iter()
                .any(|planned| planned.to == next.to && planned.digest == next.digest)
            {
                moves.push(next);
            }
        };
        for source in image.blobs() {
            if let BlobSource::New(draft) = source
                && !is_blob_stored(inner, draft.digest(), draft.size())?
            {
                add(DraftMove {
                    from: StoreArea::Ingest,
                    name: draft.file().name().to_owned(),
                    to: StoreArea::Blobs,
                    digest: *draft.digest(),
                });
            }
        }
        for layer in &image.layers {
            if let LayerSource::New(draft) = &layer.layer
                && !is_layer_stored(inner, draft)?
            {
                add(DraftMove {
                    from: StoreArea::Drafts,
                    name: draft.name().to_owned(),
                    to: StoreArea::Layers,
                    digest: *draft.diff_id().digest(),
                });
            }
        }
        Ok(Self {
            root: inner.root(),
            moves,
            done: 0,
            directories: BTreeMap::new(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.moves.is_empty()
    }

    /// Moves all drafts into place, and syncs the directories.
    pub(super) fn publish(&mut self) -> Result<(), FileError> {
        while self.done < self.moves.len() {
            failpoint::point(FailureStep::Move)?;
            self.move_next()?;
            self.done += 1;
        }
        failpoint::point(FailureStep::SyncDirectories)?;
        self.directories
            .values()
            .try_for_each(ContentDirectory::sync)
    }

    /// Moves all drafts back; returns whether that worked for all of them.
    pub(super) fn roll_back(&mut self) -> bool {
        let mut is_complete = true;
        for moved in self.moves[..self.done].iter().rev() {
            let Some(directory) = self.directories.get(&moved.content_directory()) else {
                continue;
            };
            let from = self.root.area(moved.from);
            let back = rustix::fs::renameat(&directory.dir, moved.digest.hex(), from, &moved.name);
            if let Err(error) = back {
                let path = self.root.content_path(moved.to, &moved.digest);
                tracing::warn!(path = %path.display(), %error, "cannot move a draft back; the next opening removes it");
                is_complete = false;
            }
        }
        self.done = 0;
        is_complete
    }

    fn move_next(&mut self) -> Result<(), FileError> {
        let next = &self.moves[self.done];
        let directory = match self.directories.entry(next.content_directory()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(
                self.root
                    .create_content_directory(next.to, next.digest.algorithm())?,
            ),
        };
        let hex = next.digest.hex();
        let from = self.root.area(next.from);
        let attempt = || rename_new(from, &next.name, directory.dir.as_fd(), &hex);
        let moved = match attempt() {
            // It has no row, or differs from its row: a leftover.
            Err(Errno::EXIST | Errno::NOTEMPTY) => {
                clear(self.root, next.to, directory, hex.as_ref())?;
                attempt()
            }
            other => other,
        };
        moved.at("move a draft to", || directory.path.join(&hex))
    }
}

impl DraftMove {
    fn content_directory(&self) -> (&'static str, Algorithm) {
        (self.to.name(), self.digest.algorithm())
    }
}

/// Removes `name` from a content directory.
pub(crate) fn clear(
    root: &StoreRoot,
    area: StoreArea,
    directory: &ContentDirectory,
    name: &OsStr,
) -> Result<(), FileError> {
    let at = || directory.path.join(name);
    match area {
        StoreArea::Layers => {
            let name_in_drafts = move_to_drafts(root, directory, name)?;
            tree::remove(root.area(StoreArea::Drafts), name_in_drafts.as_ref()).at("remove", at)
        }
        StoreArea::Blobs | StoreArea::Ingest | StoreArea::Drafts => {
            tree::remove(directory.dir.as_fd(), name).at("remove", at)
        }
    }
}

/// Moves a layer to `drafts/`, and returns its name there.
pub(crate) fn move_to_drafts(
    root: &StoreRoot,
    directory: &ContentDirectory,
    name: &OsStr,
) -> Result<String, FileError> {
    let name_in_drafts = fresh_name();
    rustix::fs::renameat(
        &directory.dir,
        name,
        root.area(StoreArea::Drafts),
        &name_in_drafts,
    )
    .at("remove", || directory.path.join(name))?;
    Ok(name_in_drafts)
}

fn is_blob_stored(inner: &StoreInner, digest: &Digest, size: u64) -> Result<bool, CommitError> {
    let row = query(inner, |connection| {
        crate::blob::blob_size(connection, digest)
    })?;
    if row != Some(size) {
        return Ok(false);
    }
    let Some(directory) = inner
        .root()
        .content_directory(StoreArea::Blobs, digest.algorithm())?
    else {
        return Ok(false);
    };
    let stat = rustix::fs::statat(&directory.dir, digest.hex(), AtFlags::SYMLINK_NOFOLLOW);
    Ok(stat.is_ok_and(|stat| u64::try_from(stat.st_size) == Ok(size)))
}

fn is_layer_stored(inner: &StoreInner, draft: &crate::FinishedLayer) -> Result<bool, CommitError> {
    let row = query(inner, |connection| {
        crate::layer::load_layer_metadata(connection, draft.diff_id())
    })?;
    Ok(row.is_some() && inner.layer_dir(draft.diff_id())?.is_some())
}

fn query<T>(
    inner: &StoreInner,
    question: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
) -> Result<T, DatabaseError> {
    inner.database().query(|transaction| question(transaction))
}
