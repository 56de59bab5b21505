//! Creates the entries of a tar beneath a directory handle.
//!
//! Every name is used relative to an open directory, never as a path from anywhere else. [`lookup`] finds the
//! directories without leaving the root; the other modules create the entries in them.

mod applier;
mod attributes;
mod aufs_links;
mod directories;
mod files;
mod hard_links;
mod lookup;
mod metadata;
mod open_directories;
mod path_keys;
mod remove;
mod replace;
mod special_files;
mod stat;
mod tree;
mod walk;
mod whiteouts;

pub(crate) use applier::{AppliedEntries, Applier};

use rustix::fs::FileType;

use applier::EntryFailure;

use crate::entry_name::EntryName;
use crate::entry_path::{self, EntryTarget};
use crate::error::{EntryError, UnpackError};
use crate::tar::{EntryKind, TarEntry, TarReader};

impl Applier<'_> {
    /// Applies all entries, and then sets the metadata that has to wait until all files exist.
    pub(crate) fn apply_all(
        mut self,
        reader: &mut TarReader<'_>,
    ) -> Result<AppliedEntries, UnpackError> {
        let mut entry = TarEntry::default();
        while reader.next(&mut entry)? {
            self.apply(reader, &entry)
                .map_err(|failure| match failure {
                    EntryFailure::Unpack(error) => error,
                    EntryFailure::Entry(source) => UnpackError::Entry {
                        path: EntryName::new(&entry.path),
                        source,
                    },
                })?;
            self.applied.entries += 1;
            self.progress.add_entry();
        }
        self.finish()
    }

    fn apply(&mut self, reader: &mut TarReader<'_>, entry: &TarEntry) -> Result<(), EntryFailure> {
        let mut path = std::mem::take(&mut self.path);
        entry_path::normalize(&entry.path, &mut path)?;
        let applied = self.apply_at(&path, reader, entry);
        self.path = path;
        applied
    }

    /// Applies an entry at its normalized `path`.
    fn apply_at(
        &mut self,
        path: &[u8],
        reader: &mut TarReader<'_>,
        entry: &TarEntry,
    ) -> Result<(), EntryFailure> {
        match entry_path::classify(path)? {
            EntryTarget::Root if entry.kind == EntryKind::Directory => self.update_root(entry)?,
            EntryTarget::Root => return Err(EntryError::Root.into()),
            EntryTarget::Whiteout { directory, name } => {
                self.apply_whiteout(directory, name, entry)?;
            }
            EntryTarget::Opaque { directory } => self.apply_opaque(directory)?,
            EntryTarget::AufsFile { name } => self.create_aufs_file(name, entry, reader)?,
            EntryTarget::AufsMetadata => {}
            EntryTarget::File { directory, name } => match entry.kind {
                EntryKind::File => self.create_file(directory, name, entry, reader)?,
                EntryKind::Directory => self.create_directory(path, entry)?,
                EntryKind::Symlink => self.create_symlink(directory, name, entry)?,
                EntryKind::HardLink => self.create_hard_link(directory, name, entry)?,
                EntryKind::CharacterDevice => {
                    self.create_device(directory, name, entry, FileType::CharacterDevice)?;
                }
                EntryKind::BlockDevice => {
                    self.create_device(directory, name, entry, FileType::BlockDevice)?;
                }
                EntryKind::Fifo => self.create_fifo(directory, name, entry)?,
            },
        }
        Ok(())
    }

    fn finish(mut self) -> Result<AppliedEntries, UnpackError> {
        self.remove_aufs_files()
            .map_err(|source| UnpackError::Entry {
                path: EntryName::new(b".wh..wh.plnk"),
                source,
            })?;
        self.applied.hides_unusually = self.tree.hides_unusually;
        self.applied.lower_links = self.tree.take_lower_links()?;
        self.tree.finish_directories()?;
        self.applied.implied_directories = self.tree.directories.into_implied();
        Ok(self.applied)
    }
}
