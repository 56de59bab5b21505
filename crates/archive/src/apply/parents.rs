//! The directories that entries go into, held open.

use std::cell::Cell;
use std::hash::BuildHasher;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::names;

/// A directory that entries are made in.
#[derive(Debug)]
pub(super) struct Parent {
    pub(super) fd: OwnedFd,
    /// Where it really is: its path from the root, through no symbolic link.
    pub(super) path: Vec<u8>,
    /// Stands for `path` in sets of paths.
    pub(super) key: u64,
    /// Whether what is made in it inherits access control lists.
    pub(super) default_acl: bool,
    /// Whether it is known to hold something that this layer added.
    pub(super) holds_added: Cell<bool>,
}

/// The directories that were used last, by the path that led to them.
///
/// A path's meaning changes only when a directory or symbolic link is taken away; then all are
/// forgotten. What is held is the directory itself, so that nothing is decided by a name twice.
#[derive(Debug, Default)]
pub(super) struct Parents {
    /// The one used last is first.
    recent: Vec<(Box<[u8]>, Rc<Parent>)>,
}

/// Makes the keys of paths. They are keyed hashes: a set of them is small, and nobody who writes a
/// layer can make two agree.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(std::hash::RandomState);

/// How many directories are held open. A tar goes through its tree in order: its ancestors suffice.
const HELD: usize = 32;

impl Parent {
    /// Returns the path of `name` in it.
    pub(super) fn child(&self, name: &[u8]) -> Vec<u8> {
        names::join(&self.path, name)
    }
}

impl AsFd for Parent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Parents {
    pub(super) fn get(&mut self, path: &[u8]) -> Option<Rc<Parent>> {
        let at = self.recent.iter().position(|(held, _)| **held == *path)?;
        self.recent[..=at].rotate_right(1);
        Some(Rc::clone(&self.recent[0].1))
    }

    pub(super) fn insert(&mut self, path: &[u8], parent: Rc<Parent>) {
        if self.get(path).is_some() {
            self.recent[0].1 = parent;
            return;
        }
        self.recent.truncate(HELD - 1);
        self.recent.insert(0, (path.into(), parent));
    }

    pub(super) fn forget_all(&mut self) {
        self.recent.clear();
    }
}

impl Keys {
    /// The key of the root.
    pub(super) const ROOT: u64 = 0;

    /// Returns the key of `name` in the directory with the key `parent`.
    pub(super) fn child(&self, parent: u64, name: &[u8]) -> u64 {
        self.0.hash_one((parent, name))
    }

    /// Returns the keys of all directories on the way to `path`, itself last, the root left out.
    pub(super) fn along(&self, path: &[u8]) -> impl Iterator<Item = u64> {
        let components = path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty());
        components.scan(Self::ROOT, |key, name| {
            *key = self.child(*key, name);
            Some(*key)
        })
    }

    /// Returns the key of `path`.
    pub(super) fn of(&self, path: &[u8]) -> u64 {
        self.along(path).last().unwrap_or(Self::ROOT)
    }
}
