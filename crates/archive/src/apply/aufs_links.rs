//! Pseudo links of AUFS: a layer of Docker's AUFS driver has the content of a file with several names in the directory
//! `.wh..wh.plnk`, and the names are hard links to it.
//!
//! The files are created in the root, under names that no entry can have, until the layer is complete.

use std::collections::HashMap;
use std::os::fd::AsFd as _;

use rustix::fs::AtFlags;

use super::applier::{Applier, EntryFailure};
use crate::error::{EntryError, EntryErrorContext};
use crate::tar::{EntryKind, TarEntry, TarReader};
use crate::unpack_rules::MissingParent;

/// The maximum number of these files in a layer. Hard links to further ones have no target.
const MAX_FILES: usize = 1 << 16;

/// The files of one layer, by their names in `.wh..wh.plnk`.
#[derive(Debug, Default)]
pub(super) struct AufsLinks(HashMap<Vec<u8>, usize>);

impl AufsLinks {
    /// Returns the name of a file in the root.
    fn stored_name(number: usize) -> String {
        format!(".wh..wh.plnk.{number}")
    }

    fn find(&self, name: &[u8]) -> Option<String> {
        self.0.get(name).copied().map(Self::stored_name)
    }
}

impl Applier<'_> {
    /// Creates a file that entries may link to. Entries of other types have no effect.
    pub(super) fn create_aufs_file(
        &mut self,
        name: &[u8],
        entry: &TarEntry,
        reader: &mut TarReader<'_>,
    ) -> Result<(), EntryFailure> {
        let number = self.aufs_links.0.len();
        let is_new = !self.aufs_links.0.contains_key(name);
        if entry.kind != EntryKind::File || is_new && number == MAX_FILES {
            return Ok(());
        }
        let number = *self.aufs_links.0.entry(name.to_vec()).or_insert(number);
        let stored = AufsLinks::stored_name(number);
        self.create_file(b"", stored.as_bytes(), entry, reader)
    }

    /// Creates a hard link to the file `target` of `.wh..wh.plnk`. Returns `false` if the layer has no such file.
    pub(super) fn link_aufs_file(
        &mut self,
        directory: &[u8],
        name: &[u8],
        target: &[u8],
    ) -> Result<bool, EntryError> {
        let Some(stored) = self.aufs_links.find(target) else {
            return Ok(false);
        };
        let Some(root) = self.tree.parent(b"", MissingParent::Leave)? else {
            return Ok(false);
        };
        let parent = self.tree.parent_for_adding(directory)?;
        self.link(&root, stored.as_bytes(), &parent, name)?;
        Ok(true)
    }

    /// Removes the names in the root.
    pub(super) fn remove_aufs_files(&mut self) -> Result<(), EntryError> {
        if self.aufs_links.0.is_empty() {
            return Ok(());
        }
        let root = self.tree.parent_for_adding(b"")?;
        for number in 0..self.aufs_links.0.len() {
            let stored = AufsLinks::stored_name(number);
            rustix::fs::unlinkat(root.as_fd(), stored, AtFlags::empty())
                .context("remove a file of AUFS")?;
        }
        Ok(())
    }
}
