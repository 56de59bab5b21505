//! The metadata that is set on directories after all files in them exist.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::error::EntryError;
use crate::tar::Timestamp;

/// A directory that was created or changed, and its final metadata.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingDirectory {
    /// The final mode, or `None` if it is set already. Until then the owner may write to the directory.
    pub(super) mode: Option<u32>,
    /// The final modification time.
    pub(super) mtime: Timestamp,
    pub(super) origin: DirectoryOrigin,
}

/// How a directory came into existence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirectoryOrigin {
    /// It has an entry in the tar.
    Entry,
    /// It is the parent of an entry and has no entry itself.
    Implied,
    /// It existed before this layer.
    Existing,
}

/// The directories that were created or changed, by their paths with symbolic links resolved.
#[derive(Debug)]
pub(super) struct PendingDirectories {
    by_path: BTreeMap<Box<[u8]>, PendingDirectory>,
    /// The approximate memory in bytes.
    bytes: usize,
    limit: usize,
}

/// The approximate memory of a map entry besides its path, in bytes.
const ENTRY_OVERHEAD: usize = 96;

impl PendingDirectories {
    /// Creates an empty map that may use about `limit` bytes of memory.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            by_path: BTreeMap::new(),
            bytes: 0,
            limit,
        }
    }

    pub(super) fn get(&self, path: &[u8]) -> Option<&PendingDirectory> {
        self.by_path.get(path)
    }

    pub(super) fn insert(
        &mut self,
        path: &[u8],
        directory: PendingDirectory,
    ) -> Result<(), EntryError> {
        if let Some(existing) = self.by_path.get_mut(path) {
            *existing = directory;
            return Ok(());
        }
        self.charge(path.len())?;
        self.by_path.insert(path.into(), directory);
        Ok(())
    }

    /// Counts the memory of a path of this length. Fails if the total exceeds the limit.
    pub(super) fn charge(&mut self, path_length: usize) -> Result<(), EntryError> {
        self.bytes += path_length + ENTRY_OVERHEAD;
        if self.bytes > self.limit {
            return Err(EntryError::TooManyDirectories { limit: self.limit });
        }
        Ok(())
    }

    /// Removes `path` and everything beneath it from the map.
    pub(super) fn remove_subtree(&mut self, path: &[u8]) {
        for path in keys_of_subtree(&self.by_path, path) {
            self.by_path.remove(&path);
            self.bytes -= path.len() + ENTRY_OVERHEAD;
        }
    }

    /// Iterates over the directories, children before their parents.
    pub(super) fn children_first(&self) -> impl Iterator<Item = (&[u8], &PendingDirectory)> {
        let directories = self.by_path.iter().rev();
        directories.map(|(path, directory)| (&**path, directory))
    }

    /// Returns the paths of the implied directories.
    pub(super) fn into_implied(self) -> Vec<Vec<u8>> {
        let directories = self.by_path.into_iter();
        let implied = directories.filter(|(_, it)| it.origin == DirectoryOrigin::Implied);
        implied.map(|(path, _)| path.into_vec()).collect()
    }
}

/// Returns the keys of `map` that are equal to `path` or beneath it.
pub(super) fn keys_of_subtree<K, V>(map: &BTreeMap<K, V>, path: &[u8]) -> Vec<K>
where
    K: Ord + Clone + std::borrow::Borrow<[u8]>,
{
    let beneath = |end: u8| [path, &[end]].concat();
    // '0' is the successor of '/'.
    let (first, last) = (beneath(b'/'), beneath(b'0'));
    let bounds = (Bound::Included(&*first), Bound::Excluded(&*last));
    let inside = map.range::<[u8], _>(bounds).map(|(path, _)| path);
    let itself = map.get_key_value(path).map(|(path, _)| path);
    inside.chain(itself).cloned().collect()
}
