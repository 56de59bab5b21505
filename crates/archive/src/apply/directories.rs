//! What is left to do to directories once everything is in them.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::error::EntryError;
use crate::tar::Time;

/// A directory that was made or changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory {
    /// The mode to end with, if it is not yet that: a directory that is being filled can be written.
    pub(super) mode: Option<u32>,
    /// The modification time to end with.
    pub(super) mtime: Time,
    pub(super) origin: Origin,
}

/// Why a directory is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It has an entry of its own.
    Entry,
    /// Another entry needed it.
    Implied,
    /// It was there before.
    Before,
}

/// The directories that were made or changed, by where they really are.
#[derive(Debug)]
pub(super) struct Directories {
    by_path: BTreeMap<Box<[u8]>, Directory>,
    bytes: usize,
    limit: usize,
}

impl Directories {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            by_path: BTreeMap::new(),
            bytes: 0,
            limit,
        }
    }

    pub(super) fn get(&self, path: &[u8]) -> Option<&Directory> {
        self.by_path.get(path)
    }

    pub(super) fn insert(&mut self, path: &[u8], directory: Directory) -> Result<(), EntryError> {
        if let Some(known) = self.by_path.get_mut(path) {
            *known = directory;
            return Ok(());
        }
        self.spend(path.len())?;
        self.by_path.insert(path.into(), directory);
        Ok(())
    }

    /// Counts memory for a path against the limit.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), EntryError> {
        self.bytes += bytes + OVERHEAD;
        if self.bytes > self.limit {
            return Err(EntryError::TooManyDirectories { limit: self.limit });
        }
        Ok(())
    }

    /// Forgets `path`, which is gone, and all beneath it.
    pub(super) fn forget_tree(&mut self, path: &[u8]) {
        for path in paths_of_tree(&self.by_path, path) {
            self.by_path.remove(&path);
            self.bytes -= path.len() + OVERHEAD;
        }
    }

    /// Iterates over the directories, those in a directory before itself.
    pub(super) fn innermost_first(&self) -> impl Iterator<Item = (&[u8], &Directory)> {
        let directories = self.by_path.iter().rev();
        directories.map(|(path, directory)| (&**path, directory))
    }

    /// Returns the paths of those that only other entries needed.
    pub(super) fn into_implied(self) -> Vec<Vec<u8>> {
        let directories = self.by_path.into_iter();
        let implied = directories.filter(|(_, directory)| directory.origin == Origin::Implied);
        implied.map(|(path, _)| path.into_vec()).collect()
    }
}

/// Returns the keys of `map` that are `path` or beneath it.
pub(super) fn paths_of_tree<K, V>(map: &BTreeMap<K, V>, path: &[u8]) -> Vec<K>
where
    K: Ord + Clone + std::borrow::Borrow<[u8]>,
{
    let beneath = |end: u8| [path, &[end]].concat();
    // '0' follows '/'.
    let (first, last) = (beneath(b'/'), beneath(b'0'));
    let bounds = (Bound::Included(&*first), Bound::Excluded(&*last));
    let inside = map.range::<[u8], _>(bounds).map(|(path, _)| path);
    let itself = map.get_key_value(path).map(|(path, _)| path);
    inside.chain(itself).cloned().collect()
}

/// What the map needs besides the path, roughly.
const OVERHEAD: usize = 96;
