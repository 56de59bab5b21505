//! Applies entries and whiteouts to the tree of names.

use rustix::io::Errno;

use super::tree::{EntrySource, FileNode, NAME_OVERHEAD, NameNode, NameTree, ROOT};
use crate::entry_name::EntryName;
use crate::entry_path;
use crate::error::{EntryError, EntryErrorContext};
use crate::tar::TarEntry;
use crate::unpack_rules::MissingParent;

/// The length of the longest target of a symbolic link in bytes, as in the kernel.
const MAX_TARGET_LENGTH: usize = entry_path::PATH_MAX - 1;

impl NameTree {
    /// Updates the metadata of the root.
    pub(super) fn update_root(&mut self, entry: &TarEntry) -> Result<(), EntryError> {
        self.set_metadata(ROOT, entry)
    }

    /// Adds a directory, or updates the existing one.
    pub(super) fn add_directory(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &TarEntry,
    ) -> Result<(), EntryError> {
        let parent = self.parent_for_adding(directory)?;
        let index = match self.child(parent, name) {
            Some(NameNode::Directory(index)) => *index,
            Some(NameNode::Symlink(..) | NameNode::Other(_)) | None => {
                self.remove(parent, name);
                self.create_directory(parent, name)?
            }
        };
        self.directories[index].added = self.layer;
        self.set_metadata(index, entry)
    }

    /// Adds a symbolic link.
    pub(super) fn add_symlink(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: u64,
        target: &[u8],
    ) -> Result<(), EntryError> {
        if target.len() > MAX_TARGET_LENGTH {
            return Err(Errno::NAMETOOLONG).context("create the symbolic link");
        }
        let file = self.new_file(entry);
        self.replace(directory, name, NameNode::Symlink(file, target.into()))
    }

    /// Adds a file that is neither a directory nor a link.
    pub(super) fn add_file(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: u64,
    ) -> Result<(), EntryError> {
        let file = self.new_file(entry);
        self.replace(directory, name, NameNode::Other(file))
    }

    /// Records a file in the directory of AUFS. It is written under the names that link to it.
    pub(super) fn add_aufs_file(&mut self, name: &[u8], entry: u64) -> Result<(), EntryError> {
        self.charge(name.len() + NAME_OVERHEAD)?;
        self.aufs_files.insert(name.into(), entry);
        Ok(())
    }

    /// Adds a hard link.
    pub(super) fn add_hard_link(
        &mut self,
        directory: &[u8],
        name: &[u8],
        link: &[u8],
    ) -> Result<(), EntryError> {
        let entry_name = || EntryName::new(link);
        let mut target = Vec::new();
        entry_path::normalize(link, &mut target).map_err(|error| match error {
            EntryError::Escapes => EntryError::TargetEscapes {
                target: entry_name(),
            },
            error => error,
        })?;
        let missing = || EntryError::MissingTarget {
            target: entry_name(),
        };
        if target.is_empty() {
            return Err(missing());
        }
        if let Some(file) = entry_path::aufs_file(&target)
            && let Some(entry) = self.aufs_files.get(file).copied()
        {
            return self.add_file(directory, name, entry);
        }
        let (target_directory, target_name) = entry_path::split(&target);
        let from = self.resolve(target_directory, MissingParent::Leave)?;
        let from = from.ok_or_else(missing)?;
        if self.child(from, target_name).is_none() {
            return Err(missing());
        }
        let parent = self.parent_for_adding(directory)?;
        let layer = self.layer;
        let source = |node: &NameNode| node.file().map(|file| file.source);
        let target_source = self.child(from, target_name).and_then(source);
        if let Some(file) = self.directories[parent]
            .children
            .get_mut(name)
            .and_then(NameNode::file_mut)
            && Some(file.source) == target_source
        {
            file.added = layer;
            return Ok(());
        }
        self.remove(parent, name);
        // The removed tree may have contained the target, so it is looked up again.
        let failed = |error: Errno| Err(error).context("create the hard link");
        let node = match self.directories[from].children.get(target_name) {
            Some(NameNode::Symlink(file, text)) => {
                NameNode::Symlink(file.added_by(layer), text.clone())
            }
            Some(NameNode::Other(file)) => NameNode::Other(file.added_by(layer)),
            Some(NameNode::Directory(_)) => return failed(Errno::PERM),
            None => return failed(Errno::NOENT),
        };
        self.insert(parent, name, node)
    }

    /// Removes what the layers below have at `name`.
    pub(super) fn apply_whiteout(
        &mut self,
        directory: &[u8],
        name: &[u8],
    ) -> Result<(), EntryError> {
        let Some(parent) = self.resolve(directory, MissingParent::Leave)? else {
            return Ok(());
        };
        match self.child(parent, name) {
            Some(node) if self.added(node) != self.layer => self.remove(parent, name),
            Some(NameNode::Directory(index)) => self.remove_lower_content(*index),
            None | Some(NameNode::Symlink(..) | NameNode::Other(_)) => {}
        }
        Ok(())
    }

    /// Removes everything that the layers below have in `directory`.
    pub(super) fn apply_opaque(&mut self, directory: &[u8]) -> Result<(), EntryError> {
        if let Some(directory) = self.resolve(directory, MissingParent::Leave)? {
            self.remove_lower_content(directory);
        }
        Ok(())
    }

    /// Returns the directory at `path`, and records that this layer adds something to it. Missing directories are
    /// created.
    fn parent_for_adding(&mut self, path: &[u8]) -> Result<usize, EntryError> {
        let found = self.resolve(path, MissingParent::Create)?;
        let found = found.expect("a missing directory is created, or an error is returned");
        let mut current = found;
        // If a directory is recorded, its ancestors are recorded too.
        while current != ROOT && self.directories[current].added != self.layer {
            self.directories[current].added = self.layer;
            current = self.directories[current].parent;
        }
        Ok(found)
    }

    /// Adds `name`, in place of the existing file if there is one.
    fn replace(&mut self, directory: &[u8], name: &[u8], node: NameNode) -> Result<(), EntryError> {
        let parent = self.parent_for_adding(directory)?;
        self.remove(parent, name);
        self.insert(parent, name, node)
    }

    /// Removes what the layers below have in a directory. Subdirectories to which this layer has added something
    /// are kept, and their content is removed in the same way.
    fn remove_lower_content(&mut self, directory: usize) {
        let mut pending = vec![directory];
        while let Some(index) = pending.pop() {
            let mut removed = Vec::new();
            for (name, node) in &self.directories[index].children {
                if self.added(node) != self.layer {
                    removed.push(name.clone());
                } else if let NameNode::Directory(child) = node {
                    pending.push(*child);
                }
            }
            for name in removed {
                self.remove(index, &name);
            }
        }
    }

    fn new_file(&self, entry: u64) -> FileNode {
        let layer = self.layer;
        FileNode {
            source: EntrySource { layer, entry },
            added: layer,
        }
    }
}
