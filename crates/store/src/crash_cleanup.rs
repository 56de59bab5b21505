//! Removes what a crash left behind, when the owner opens the store.

use std::collections::BTreeSet;
use std::os::fd::AsFd as _;

use rusqlite::Row;
use windlass_oci::{Algorithm, Digest};

use crate::commit::clear;
use crate::database::TextColumn;
use crate::error::{FileError, FileErrorContext};
use crate::ingest::is_valid_partial;
use crate::open_error::StoreOpenError;
use crate::remove::collect_garbage;
use crate::store_inner::StoreInner;
use crate::store_root::{ContentDirectory, StoreArea, StoreRoot, list_names};
use crate::tree;

/// Removes drafts and partial blobs without a valid record; if files and rows may differ, files without a row;
/// and content that only a lease protected.
pub(crate) fn sweep(inner: &StoreInner) -> Result<(), StoreOpenError> {
    let root = inner.root();
    for area in [StoreArea::Drafts, StoreArea::Ingest] {
        for name in list_names(root.area(area), || root.area_path(area))? {
            if area == StoreArea::Ingest && is_valid_partial(root, &name.to_string_lossy())? {
                continue;
            }
            let path = root.area_path(area).join(&name);
            tree::remove(root.area(area), &name).at("remove", || path)?;
        }
    }
    if root.is_unsettled() {
        let blobs = "SELECT digest FROM blobs";
        let layers = "SELECT diff_id FROM layers";
        sweep_area(inner, StoreArea::Blobs, blobs)?;
        sweep_area(inner, StoreArea::Layers, layers)?;
        root.clear_unsettled();
    }
    collect_garbage(inner)
}

fn sweep_area(inner: &StoreInner, area: StoreArea, stored: &str) -> Result<(), StoreOpenError> {
    let stored: BTreeSet<Digest> = inner.database().query(|transaction| {
        let digest = |row: &Row<'_>| row.get(0).map(|TextColumn(digest)| digest);
        transaction
            .prepare(stored)?
            .query_map([], digest)?
            .collect()
    })?;
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        if let Some(directory) = inner.root().content_directory(area, algorithm)? {
            sweep_directory(inner.root(), area, algorithm, &directory, &stored)?;
        }
    }
    Ok(())
}

fn sweep_directory(
    root: &StoreRoot,
    area: StoreArea,
    algorithm: Algorithm,
    directory: &ContentDirectory,
    stored: &BTreeSet<Digest>,
) -> Result<(), FileError> {
    for name in list_names(directory.dir.as_fd(), || directory.path.clone())? {
        let digest = format!("{}:{}", algorithm.name(), name.to_string_lossy()).parse();
        if !digest.is_ok_and(|digest| stored.contains(&digest)) {
            tracing::info!(path = %directory.path.join(&name).display(), "removing a leftover");
            clear(root, area, directory, &name)?;
        }
    }
    Ok(())
}
