//! The cache of open directories.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use crate::entry_path;

/// An open directory in which entries are created.
#[derive(Debug)]
pub(super) struct OpenDirectory {
    pub(super) fd: OwnedFd,
    /// The path from the root, with symbolic links resolved.
    pub(super) path: Vec<u8>,
    /// The key of `path` in sets of paths.
    pub(super) key: u64,
    /// Whether new files in the directory inherit access control lists.
    pub(super) has_default_acl: bool,
    /// Whether this layer is known to have added something to the directory.
    pub(super) holds_added: Cell<bool>,
}

/// The most recently used directories, by the entry path through which they were found.
///
/// What a path refers to changes only when a directory or symbolic link is removed; then the cache is cleared.
/// Because the directories stay open, no path is resolved twice with different results.
#[derive(Debug, Default)]
pub(super) struct OpenDirectories {
    /// Ordered by last use, the most recent first.
    recent: Vec<(Box<[u8]>, Rc<OpenDirectory>)>,
}

/// The number of directories that are kept open. A tar lists its tree in order, so the ancestors of the current
/// entry are enough.
const CAPACITY: usize = 32;

impl OpenDirectory {
    /// Returns the path of `name` in this directory.
    pub(super) fn child(&self, name: &[u8]) -> Vec<u8> {
        entry_path::join(&self.path, name)
    }
}

impl AsFd for OpenDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl OpenDirectories {
    /// Returns the directory at `path`, and makes it the most recent one.
    pub(super) fn get(&mut self, path: &[u8]) -> Option<Rc<OpenDirectory>> {
        let index = self.recent.iter().position(|(key, _)| **key == *path)?;
        self.recent[..=index].rotate_right(1);
        Some(Rc::clone(&self.recent[0].1))
    }

    pub(super) fn insert(&mut self, path: &[u8], directory: Rc<OpenDirectory>) {
        if self.get(path).is_some() {
            self.recent[0].1 = directory;
            return;
        }
        self.recent.truncate(CAPACITY - 1);
        self.recent.insert(0, (path.into(), directory));
    }

    pub(super) fn clear(&mut self) {
        self.recent.clear();
    }
}
