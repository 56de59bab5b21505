//! What was removed, for programs.

use serde::Serialize;
use windlass::{Digest, Removed};

/// What is gone, and what that gave back.
#[derive(Serialize)]
pub(super) struct RemovalRecord<'a> {
    untagged: Vec<&'a str>,
    deleted: Vec<&'a Digest>,
    /// Bytes of the disk.
    reclaimed: u64,
}

impl<'a> RemovalRecord<'a> {
    pub(super) fn new(removed: &'a [Removed], reclaimed: u64) -> Self {
        let mut gone = Self {
            untagged: Vec::new(),
            deleted: Vec::new(),
            reclaimed,
        };
        for removed in removed {
            match removed {
                Removed::Untagged(name) => gone.untagged.push(name),
                Removed::Deleted(digest) => gone.deleted.push(digest),
            }
        }
        gone
    }
}
