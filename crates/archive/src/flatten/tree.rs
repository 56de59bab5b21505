//! The tree of names of all layers: the directory that unpacking them would produce, without file contents.

use std::collections::BTreeMap;
use std::mem;

use crate::error::EntryError;
use crate::options::UnpackLimits;
use crate::tar::{TarEntry, Timestamp};
use crate::unpack_rules::{IMPLIED_DIRECTORY_MODE, is_allowed_xattr};

/// The tree of names. Directories refer to each other by their index in `directories`.
#[derive(Debug)]
pub(super) struct NameTree {
    pub(super) directories: Vec<DirectoryNode>,
    /// The indexes of removed directories, which can be reused.
    free: Vec<usize>,
    /// The number of the current layer, from 1.
    pub(super) layer: u32,
    /// The remaining budget for resolving paths through symbolic links in this layer.
    pub(super) link_steps: u64,
    /// The entries of this layer in the directory of AUFS for files with several names.
    pub(super) aufs_files: BTreeMap<Box<[u8]>, u64>,
    /// The approximate memory in bytes.
    bytes: usize,
    limit: usize,
}

/// A directory.
#[derive(Debug, Default)]
pub(super) struct DirectoryNode {
    /// The parent directory. The parent of the root is the root.
    pub(super) parent: usize,
    /// The name in the parent directory.
    pub(super) name: Box<[u8]>,
    /// The length of the path in bytes.
    pub(super) path_length: usize,
    pub(super) children: BTreeMap<Box<[u8]>, NameNode>,
    pub(super) metadata: DirectoryMetadata,
    /// The layer that created the directory or had the last entry for it.
    described: u32,
    /// The last layer that added or changed something at or beneath the directory.
    pub(super) added: u32,
    /// Whether any layer has an entry for the directory.
    pub(super) has_entry: bool,
}

/// The metadata of a directory.
#[derive(Debug, Default)]
pub(super) struct DirectoryMetadata {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Timestamp,
    pub(super) xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
}

/// The file that a name refers to.
#[derive(Debug)]
pub(super) enum NameNode {
    Directory(usize),
    /// A symbolic link and its target, which is needed to resolve paths.
    Symlink(FileNode, Box<[u8]>),
    /// A file of any other type.
    Other(FileNode),
}

/// A file that is not a directory, identified by its entry. Hard links have the same source.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileNode {
    pub(super) source: EntrySource,
    /// The layer that added this name.
    pub(super) added: u32,
}

/// The position of an entry in the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntrySource {
    /// The number of the layer, from 1.
    pub(super) layer: u32,
    /// The number of the entry in the layer, from 0.
    pub(super) entry: u64,
}

/// The index of the root.
pub(super) const ROOT: usize = 0;

/// The approximate memory of a name besides its bytes, and the additional memory of a directory.
pub(super) const NAME_OVERHEAD: usize = 112;
const DIRECTORY_OVERHEAD: usize = 224;

impl NameTree {
    pub(super) fn new(limits: &UnpackLimits) -> Self {
        Self {
            directories: vec![DirectoryNode::default()],
            free: Vec::new(),
            layer: 0,
            link_steps: 0,
            aufs_files: BTreeMap::new(),
            bytes: 0,
            limit: limits.tree_bytes,
        }
    }

    pub(super) fn begin_layer(&mut self, limits: &UnpackLimits) {
        self.layer += 1;
        self.link_steps = limits.link_steps;
        self.aufs_files.clear();
    }

    pub(super) fn child(&self, directory: usize, name: &[u8]) -> Option<&NameNode> {
        self.directories[directory].children.get(name)
    }

    /// Returns the path of `name` in a directory.
    pub(super) fn path(&self, directory: usize, name: &[u8]) -> Vec<u8> {
        let mut components = vec![name];
        let mut current = directory;
        while current != ROOT {
            components.push(&self.directories[current].name);
            current = self.directories[current].parent;
        }
        components.reverse();
        components.join(&b'/')
    }

    /// Creates the directory `name` with the metadata of an implied directory, and returns its index.
    pub(super) fn create_directory(
        &mut self,
        parent: usize,
        name: &[u8],
    ) -> Result<usize, EntryError> {
        let parent_length = self.directories[parent].path_length;
        let directory = DirectoryNode {
            parent,
            name: name.into(),
            path_length: parent_length + usize::from(parent_length > 0) + name.len(),
            metadata: DirectoryMetadata {
                mode: IMPLIED_DIRECTORY_MODE,
                ..DirectoryMetadata::default()
            },
            described: self.layer,
            ..DirectoryNode::default()
        };
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.directories.push(DirectoryNode::default());
                self.directories.len() - 1
            }
        };
        self.directories[index] = directory;
        self.insert(parent, name, NameNode::Directory(index))?;
        Ok(index)
    }

    /// Adds a name that does not exist in `parent`.
    pub(super) fn insert(
        &mut self,
        parent: usize,
        name: &[u8],
        node: NameNode,
    ) -> Result<(), EntryError> {
        self.charge(name_memory(name, &node))?;
        self.directories[parent].children.insert(name.into(), node);
        Ok(())
    }

    /// Sets the metadata of a directory from its entry. Attributes of lower layers are removed.
    pub(super) fn set_metadata(
        &mut self,
        index: usize,
        entry: &TarEntry,
    ) -> Result<(), EntryError> {
        let layer = self.layer;
        let directory = &mut self.directories[index];
        if directory.described != layer {
            let old = mem::take(&mut directory.metadata.xattrs);
            self.bytes -= old
                .iter()
                .map(|(name, value)| xattr_memory(name, value))
                .sum::<usize>();
        }
        let mut added = 0;
        let metadata = &mut directory.metadata;
        for (name, value) in entry.xattrs().filter(|(name, _)| is_allowed_xattr(name)) {
            let old = metadata.xattrs.insert(name.into(), value.into());
            added += xattr_memory(name, value);
            self.bytes -= old.map_or(0, |old| xattr_memory(name, &old));
        }
        metadata.mode = entry.mode;
        (metadata.uid, metadata.gid) = (entry.uid, entry.gid);
        metadata.mtime = entry.mtime;
        directory.described = layer;
        directory.has_entry = true;
        self.charge(added)
    }

    /// Removes `name`, which may be missing, and everything beneath it.
    pub(super) fn remove(&mut self, parent: usize, name: &[u8]) {
        let mut removed: Vec<(Box<[u8]>, NameNode)> = Vec::new();
        removed.extend(self.directories[parent].children.remove_entry(name));
        while let Some((name, node)) = removed.pop() {
            self.bytes -= name_memory(&name, &node);
            if let NameNode::Directory(index) = node {
                let directory = mem::take(&mut self.directories[index]);
                let xattrs = directory.metadata.xattrs.iter();
                self.bytes -= xattrs
                    .map(|(name, value)| xattr_memory(name, value))
                    .sum::<usize>();
                removed.extend(directory.children);
                self.free.push(index);
            }
        }
    }

    /// Returns the last layer that added or changed something at or beneath the node.
    pub(super) fn added(&self, node: &NameNode) -> u32 {
        match node {
            NameNode::Directory(index) => self.directories[*index].added,
            NameNode::Symlink(file, _) | NameNode::Other(file) => file.added,
        }
    }

    /// Counts memory. Fails if the total exceeds the limit.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), EntryError> {
        self.bytes += bytes;
        if self.bytes > self.limit {
            return Err(EntryError::TooManyEntries { limit: self.limit });
        }
        Ok(())
    }
}

impl FileNode {
    /// Returns the node of another name for the same file, which the layer `added` adds.
    pub(super) fn added_by(self, added: u32) -> Self {
        Self { added, ..self }
    }
}

impl NameNode {
    pub(super) fn file(&self) -> Option<&FileNode> {
        match self {
            Self::Directory(_) => None,
            Self::Symlink(file, _) | Self::Other(file) => Some(file),
        }
    }

    pub(super) fn file_mut(&mut self) -> Option<&mut FileNode> {
        match self {
            Self::Directory(_) => None,
            Self::Symlink(file, _) | Self::Other(file) => Some(file),
        }
    }
}

/// Returns the approximate memory of a name in bytes.
fn name_memory(name: &[u8], node: &NameNode) -> usize {
    match node {
        NameNode::Directory(_) => NAME_OVERHEAD + DIRECTORY_OVERHEAD + 2 * name.len(),
        NameNode::Symlink(_, target) => NAME_OVERHEAD + name.len() + target.len(),
        NameNode::Other(_) => NAME_OVERHEAD + name.len(),
    }
}

/// Returns the approximate memory of an extended attribute in bytes.
fn xattr_memory(name: &[u8], value: &[u8]) -> usize {
    NAME_OVERHEAD + name.len() + value.len()
}
