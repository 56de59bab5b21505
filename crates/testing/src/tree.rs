//! Takes snapshots of directory trees with all properties that an archive can set, and compares them.

mod difference;
mod walk;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use windlass_oci::Digest;

pub use difference::TreeDifference;

/// A directory with everything beneath it, by path (`.` is the directory).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeSnapshot {
    entries: BTreeMap<Vec<u8>, TreeEntry>,
}

/// The entry at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// The file type and the content.
    pub kind: TreeEntryKind,
    /// The permission bits, 07777.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// For a file with several names in this tree: the first of them.
    pub linked: Option<Vec<u8>>,
    /// Extended attributes, without the label of `SELinux`, which depends on the location of a file.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The change time and the inode: only in snapshots made by [`TreeSnapshot::watched`].
    pub change: Option<(i64, u32, u64)>,
}

/// The type of an entry, with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeEntryKind {
    /// A regular file.
    File {
        /// Its size in bytes.
        size: u64,
        /// The digest of its bytes; `None` if this user may not read them.
        digest: Option<Digest>,
    },
    /// A directory.
    Directory,
    /// A symbolic link with its target.
    Symlink(Vec<u8>),
    /// A fifo.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice(u32, u32),
    /// A block device.
    BlockDevice(u32, u32),
}

/// A property that a comparison may ignore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeAspect {
    /// Permission bits.
    Mode,
    /// Owner and group.
    Owner,
    /// The mtime of all entries.
    Mtime,
    /// The mtime of directories.
    DirectoryMtime,
    /// Which names refer to the same file.
    Links,
    /// Extended attributes.
    Xattrs,
}

impl TreeSnapshot {
    /// Takes a snapshot of the tree at `path`. Links are not followed, and paths may have any length.
    pub fn of(path: impl AsRef<Path>) -> io::Result<Self> {
        let directory = std::fs::File::open(path)?;
        Self::beneath(&directory)
    }

    /// Like [`of`](Self::of), with a handle of the directory.
    pub fn beneath(directory: impl AsFd) -> io::Result<Self> {
        walk::walk(directory.as_fd(), false)
    }

    /// Like [`of`](Self::of), with inodes and change times: two such snapshots are equal only if nothing was
    /// changed in between.
    pub fn watched(path: impl AsRef<Path>) -> io::Result<Self> {
        let directory = std::fs::File::open(path)?;
        walk::walk(directory.as_fd(), true)
    }

    /// Returns the entry at `path`, relative to the root of the tree.
    pub fn get(&self, path: impl AsRef<[u8]>) -> Option<&TreeEntry> {
        self.entries.get(path.as_ref())
    }

    /// Returns all entries in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &TreeEntry)> {
        self.entries.iter().map(|(path, entry)| (&**path, entry))
    }

    /// Returns all paths as readable text.
    pub fn paths(&self) -> Vec<String> {
        self.entries.keys().map(|path| readable(path)).collect()
    }

    /// Removes the properties `aspects` from all entries; call it on both sides of a comparison.
    #[must_use]
    pub fn without(mut self, aspects: &[TreeAspect]) -> Self {
        for entry in self.entries.values_mut() {
            for aspect in aspects {
                entry.clear(*aspect);
            }
        }
        self
    }

    /// Removes `path` and everything beneath it.
    #[must_use]
    pub fn without_path(mut self, path: impl AsRef<[u8]>) -> Self {
        let path = path.as_ref();
        let beneath = [path, b"/"].concat();
        self.entries
            .retain(|it, _| it != path && !it.starts_with(&beneath));
        self
    }

    /// Returns the differences between this and `other`, in the order of paths.
    pub fn differences(&self, other: &Self) -> Vec<TreeDifference> {
        difference::differences(&self.entries, &other.entries)
    }

    /// Checks that two trees are equal.
    ///
    /// # Panics
    /// With one line for each of the first differences: `-` is only in `self`, `+` only in `other`.
    #[track_caller]
    pub fn assert_same(&self, other: &Self) {
        const SHOWN: usize = 40;
        let differences = self.differences(other);
        if differences.is_empty() {
            return;
        }
        let lines = differences.iter().take(SHOWN);
        let lines: Vec<_> = lines.map(ToString::to_string).collect();
        let count = differences.len();
        panic!("the trees differ in {count} entries:\n{}", lines.join("\n"));
    }
}

impl fmt::Display for TreeSnapshot {
    /// One line an entry, as `ls -l` would, with the path first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, entry) in &self.entries {
            writeln!(f, "{}  {entry}", readable(path))?;
        }
        Ok(())
    }
}

impl TreeEntry {
    fn clear(&mut self, aspect: TreeAspect) {
        match aspect {
            TreeAspect::Mode => self.mode = 0,
            TreeAspect::Owner => (self.uid, self.gid) = (0, 0),
            TreeAspect::DirectoryMtime if self.kind != TreeEntryKind::Directory => {}
            TreeAspect::Mtime | TreeAspect::DirectoryMtime => self.mtime = (0, 0),
            TreeAspect::Links => self.linked = None,
            TreeAspect::Xattrs => self.xattrs.clear(),
        }
    }
}

impl fmt::Display for TreeEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (_, text)) in self.properties().iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{text}")?;
        }
        Ok(())
    }
}

/// Returns bytes as readable text.
pub(crate) fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("\"{}\"", bytes.escape_ascii()),
    }
}
