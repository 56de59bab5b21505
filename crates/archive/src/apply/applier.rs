//! The state of applying the entries of one tar.

use std::collections::HashSet;
use std::os::fd::BorrowedFd;

use super::aufs_links::AufsLinks;
use super::tree::UnpackTree;
use crate::error::{EntryError, UnpackError};
use crate::options::UnpackOptions;
use crate::progress::UnpackProgress;
use crate::unpacked::{LowerLayerLink, SkippedItems};

/// Applies the entries of one tar.
pub(crate) struct Applier<'a> {
    pub(super) tree: UnpackTree,
    pub(super) options: &'a UnpackOptions,
    pub(super) progress: &'a UnpackProgress,
    pub(super) applied: AppliedEntries,
    /// The [keys](super::path_keys::PathKeys) of the devices that were skipped. Hard links to them are skipped
    /// too.
    pub(super) skipped_devices: HashSet<u64>,
    pub(super) aufs_links: AufsLinks,
    /// The normalized name of the current entry.
    pub(super) path: Vec<u8>,
}

/// The result of applying the entries of a tar. [`UnpackedLayer`](crate::UnpackedLayer) describes the fields.
#[derive(Debug, Default)]
pub(crate) struct AppliedEntries {
    pub(crate) entries: u64,
    pub(crate) size: u64,
    pub(crate) skipped: SkippedItems,
    pub(crate) opaque_root: bool,
    pub(crate) hides_unusually: bool,
    pub(crate) has_root_entry: bool,
    pub(crate) implied_directories: Vec<Vec<u8>>,
    pub(crate) lower_links: Vec<LowerLayerLink>,
}

/// The reason why an entry was not created: an error of the entry, or of the tar that contains it.
pub(super) enum EntryFailure {
    Entry(EntryError),
    Unpack(UnpackError),
}

impl<'a> Applier<'a> {
    /// Creates an applier for the existing directory `into`.
    pub(crate) fn new(
        into: BorrowedFd<'_>,
        options: &'a UnpackOptions,
        progress: &'a UnpackProgress,
    ) -> Result<Self, UnpackError> {
        let tree = UnpackTree::new(into, options).map_err(|source| UnpackError::Target {
            action: "open",
            source: source.into(),
        })?;
        Ok(Self {
            tree,
            options,
            progress,
            applied: AppliedEntries::default(),
            skipped_devices: HashSet::new(),
            aufs_links: AufsLinks::default(),
            path: Vec::new(),
        })
    }
}

impl From<EntryError> for EntryFailure {
    fn from(error: EntryError) -> Self {
        Self::Entry(error)
    }
}

impl From<UnpackError> for EntryFailure {
    fn from(error: UnpackError) -> Self {
        Self::Unpack(error)
    }
}
