//! The content that only some of the images have.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row};
use windlass_oci::{Digest, ImageId};

use crate::database::TextColumn;

/// The content that only the images of a set have.
pub(crate) struct UnsharedContent {
    /// The digests of blobs.
    pub(crate) blobs: BTreeSet<Digest>,
    /// The diff IDs of layers.
    pub(crate) layers: BTreeSet<Digest>,
}

impl UnsharedContent {
    /// Returns the content that only the images in `images` have.
    pub(crate) fn of(
        connection: &Connection,
        images: &BTreeSet<ImageId>,
    ) -> rusqlite::Result<Self> {
        let unused = |all: &str, used: &str| -> rusqlite::Result<BTreeSet<Digest>> {
            let digest = |row: &Row<'_>| row.get(0).map(|TextColumn(digest)| digest);
            let use_of = |row: &Row<'_>| {
                let TextColumn(image): TextColumn<ImageId> = row.get(1)?;
                Ok((!images.contains(&image)).then_some(digest(row)?))
            };
            let mut used = connection.prepare(used)?;
            let needed = used.query_map([], use_of)?;
            let needed: BTreeSet<Option<Digest>> = needed.collect::<rusqlite::Result<_>>()?;
            let mut all = connection.prepare(all)?;
            let all = all.query_map([], digest)?;
            let is_free = |found: &rusqlite::Result<Digest>| {
                found
                    .as_ref()
                    .is_ok_and(|digest| !needed.contains(&Some(*digest)))
            };
            all.filter(|found| found.is_err() || is_free(found))
                .collect()
        };
        Ok(Self {
            blobs: unused(
                "SELECT digest FROM blobs",
                "SELECT digest, image FROM image_blobs",
            )?,
            layers: unused(
                "SELECT diff_id FROM layers",
                "SELECT diff_id, image FROM image_layers",
            )?,
        })
    }
}
