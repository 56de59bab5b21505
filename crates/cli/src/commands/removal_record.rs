//! The JSON record of a removal.

use serde::Serialize;
use windlass::Removed;
use windlass::image::Digest;

/// Removed names and content, and the space that was freed.
#[derive(Serialize)]
pub(super) struct RemovalRecord<'a> {
    untagged: Vec<&'a str>,
    deleted: Vec<&'a Digest>,
    /// Bytes on the disk.
    reclaimed: u64,
}

impl<'a> RemovalRecord<'a> {
    pub(super) fn new(removed: &'a [Removed], reclaimed: u64) -> Self {
        let mut record = Self {
            untagged: Vec::new(),
            deleted: Vec::new(),
            reclaimed,
        };
        for removed in removed {
            match removed {
                Removed::Untagged(name) => record.untagged.push(name),
                Removed::Deleted(digest) => record.deleted.push(digest),
            }
        }
        record
    }
}
