//! Makes entries beneath a directory handle.
//!
//! Every name is used relative to a directory that is held open, never as a path from anywhere else;
//! [`tree`] finds these directories without ever leaving the root, and [`nodes`] makes what belongs in
//! them.

mod directories;
mod links;
pub(crate) mod metadata;
pub(crate) mod names;
pub(crate) mod nodes;
mod parents;
mod remove;
pub(crate) mod tree;
pub(crate) mod walk;
mod whiteouts;

use std::collections::HashSet;
use std::os::fd::BorrowedFd;

use crate::error::{EntryError, EntryName, UnpackError};
use crate::options::UnpackOptions;
use crate::progress::UnpackProgress;
use crate::tar::{Entry, Kind, TarReader};
use crate::{LowerLayerLink, SkippedItems};
use names::Meaning;
use tree::Tree;

/// Applies the entries of one tar.
pub(crate) struct Applier<'a> {
    tree: Tree,
    options: &'a UnpackOptions,
    progress: &'a UnpackProgress,
    applied: Applied,
    /// The devices that were skipped, by their [keys](parents::Keys): hard links to them are, too.
    skipped_devices: HashSet<u64>,
    /// The cleaned name of the current entry.
    path: Vec<u8>,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(crate) entries: u64,
    pub(crate) size: u64,
    pub(crate) skipped: SkippedItems,
    pub(crate) opaque_root: bool,
    pub(crate) has_root_entry: bool,
    pub(crate) implied_directories: Vec<Vec<u8>>,
    pub(crate) lower_links: Vec<LowerLayerLink>,
}

/// Why an entry was not made: itself, or the tar it is read from.
enum Failure {
    Entry(EntryError),
    Unpack(UnpackError),
}

impl<'a> Applier<'a> {
    /// Makes an applier for the directory `into`, which must exist.
    pub(crate) fn new(
        into: BorrowedFd<'_>,
        options: &'a UnpackOptions,
        progress: &'a UnpackProgress,
    ) -> Result<Self, UnpackError> {
        let tree = Tree::new(into, options).map_err(|source| UnpackError::Target {
            action: "open",
            source: source.into(),
        })?;
        Ok(Self {
            tree,
            options,
            progress,
            applied: Applied::default(),
            skipped_devices: HashSet::new(),
            path: Vec::new(),
        })
    }

    /// Applies all entries, and then finishes what had to wait for the last one.
    pub(crate) fn apply_all(mut self, reader: &mut TarReader<'_>) -> Result<Applied, UnpackError> {
        let mut entry = Entry::default();
        while reader.next(&mut entry)? {
            self.apply(reader, &entry)
                .map_err(|failure| match failure {
                    Failure::Unpack(error) => error,
                    Failure::Entry(source) => UnpackError::Entry {
                        path: EntryName::new(&entry.path),
                        source,
                    },
                })?;
            self.applied.entries += 1;
            self.progress.add_entry();
        }
        self.finish()
    }

    fn apply(&mut self, reader: &mut TarReader<'_>, entry: &Entry) -> Result<(), Failure> {
        let mut path = std::mem::take(&mut self.path);
        names::clean(&entry.path, &mut path)?;
        let made = self.apply_at(&path, reader, entry);
        self.path = path;
        made
    }

    fn apply_at(
        &mut self,
        path: &[u8],
        reader: &mut TarReader<'_>,
        entry: &Entry,
    ) -> Result<(), Failure> {
        match names::meaning(path)? {
            Meaning::Root if entry.kind == Kind::Directory => self.root(entry)?,
            Meaning::Root => return Err(EntryError::Root.into()),
            Meaning::Whiteout { directory, name } => self.whiteout(directory, name, entry)?,
            Meaning::Opaque { directory } => self.opaque(directory)?,
            Meaning::Ignored => {}
            Meaning::Entry { directory, name } => match entry.kind {
                Kind::File => self.file(directory, name, entry, reader)?,
                Kind::Directory => self.directory(path, entry)?,
                Kind::Symlink => self.symlink(directory, name, entry)?,
                Kind::HardLink => self.hard_link(directory, name, entry)?,
                Kind::CharacterDevice | Kind::BlockDevice => self.device(directory, name, entry)?,
                Kind::Fifo => self.fifo(directory, name, entry)?,
            },
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Applied, UnpackError> {
        self.applied.lower_links = self.tree.take_lower_links()?;
        self.tree.finish_directories()?;
        self.applied.implied_directories = self.tree.directories.into_implied();
        Ok(self.applied)
    }
}

impl From<EntryError> for Failure {
    fn from(error: EntryError) -> Self {
        Self::Entry(error)
    }
}

impl From<UnpackError> for Failure {
    fn from(error: UnpackError) -> Self {
        Self::Unpack(error)
    }
}
