//! Hash keys of paths.

use std::hash::BuildHasher;

/// Computes the keys of paths. They are keyed hashes: a set of keys is smaller than a set of paths, and the
/// author of a layer cannot construct two paths with the same key.
#[derive(Clone, Debug, Default)]
pub(super) struct PathKeys(std::hash::RandomState);

impl PathKeys {
    /// The key of the root.
    pub(super) const ROOT: u64 = 0;

    /// Returns the key of `name` in the directory with the key `parent`.
    pub(super) fn child(&self, parent: u64, name: &[u8]) -> u64 {
        self.0.hash_one((parent, name))
    }

    /// Returns the keys of `path` and its ancestors, from the outermost to `path`, without the root.
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
