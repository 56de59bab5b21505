//! Applies whiteouts. They remove files of the layers below, but never files of their own layer, whatever the
//! order of the entries is (OCI image specification, "Whiteouts"; T06).

use std::os::fd::AsFd;
use std::rc::Rc;

use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;

use super::applier::Applier;
use super::attributes;
use super::open_directories::OpenDirectory;
use super::stat::is_directory;
use crate::error::{EntryError, EntryErrorContext};
use crate::options::UnpackMode;
use crate::tar::TarEntry;
use crate::unpack_rules::MissingParent;

impl Applier<'_> {
    /// Hides or removes `name` of the layers below.
    pub(super) fn apply_whiteout(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &TarEntry,
    ) -> Result<(), EntryError> {
        match self.options.mode {
            UnpackMode::Layer => self.create_whiteout(directory, name, entry),
            UnpackMode::Flatten => match self.tree.parent(directory, MissingParent::Leave)? {
                Some(parent) => self.remove_lower(&parent, name),
                None => Ok(()),
            },
        }
    }

    /// Hides or removes everything that the layers below have in `directory`.
    pub(super) fn apply_opaque(&mut self, directory: &[u8]) -> Result<(), EntryError> {
        match self.options.mode {
            UnpackMode::Layer => {
                let directory = self.tree.parent_for_adding(directory)?;
                self.applied.opaque_root |= directory.path.is_empty();
                self.tree.set_opaque(directory.as_fd())
            }
            UnpackMode::Flatten => match self.tree.parent(directory, MissingParent::Leave)? {
                Some(directory) => self.remove_lower_content(&directory),
                None => Ok(()),
            },
        }
    }

    /// Creates a whiteout of overlayfs. Since Linux 5.8, an ordinary user may create one too.
    fn create_whiteout(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &TarEntry,
    ) -> Result<(), EntryError> {
        let parent = self.tree.parent_for_adding(directory)?;
        match self.tree.create_whiteout(parent.as_fd(), name) {
            Ok(()) => {
                let times = attributes::timestamps(entry.mtime);
                rustix::fs::utimensat(&*parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
                    .context("set the times")
            }
            // A file of this layer hides its counterpart below; a directory needs the attribute for that.
            Err(Errno::EXIST) => self.hide_lower_content(&parent, name),
            Err(error) => Err(error).context("create the whiteout"),
        }
    }

    fn hide_lower_content(
        &mut self,
        parent: &OpenDirectory,
        name: &[u8],
    ) -> Result<(), EntryError> {
        if !is_directory(parent, name)? {
            return Ok(());
        }
        let fd = self.tree.open_resolved(&parent.child(name))?;
        self.tree.set_opaque(fd.as_fd())
    }

    /// Removes what the layers below have at `name`.
    fn remove_lower(&mut self, parent: &Rc<OpenDirectory>, name: &[u8]) -> Result<(), EntryError> {
        if !self.tree.is_added(self.tree.keys.child(parent.key, name)) {
            return self.tree.remove(parent, name).map(drop);
        }
        if !is_directory(&**parent, name)? {
            return Ok(());
        }
        let path = parent.child(name);
        let fd = self.tree.open_resolved(&path)?;
        let directory = self.tree.adopt(fd, path)?;
        self.remove_lower_content(&directory)
    }

    /// Removes what the layers below have in a directory. Subdirectories to which this layer has added something
    /// are kept, and their content is removed in the same way.
    fn remove_lower_content(&mut self, directory: &Rc<OpenDirectory>) -> Result<(), EntryError> {
        let mut pending = Vec::new();
        self.remove_lower_children(directory, &mut pending)?;
        while let Some(path) = pending.pop() {
            let fd = self.tree.open_resolved(&path)?;
            let directory = self.tree.adopt(fd, path)?;
            self.remove_lower_children(&directory, &mut pending)?;
        }
        Ok(())
    }

    /// Removes the children of one directory that this layer has not added or changed. Pushes the paths of the
    /// other subdirectories to `pending`.
    fn remove_lower_children(
        &mut self,
        directory: &OpenDirectory,
        pending: &mut Vec<Vec<u8>>,
    ) -> Result<(), EntryError> {
        for name in list(directory)? {
            let key = self.tree.keys.child(directory.key, &name);
            if !self.tree.is_added(key) {
                self.tree.remove(directory, &name)?;
            } else if is_directory(directory, &name)? {
                pending.push(directory.child(&name));
            }
        }
        Ok(())
    }
}

/// Returns the names in a directory.
fn list(directory: &OpenDirectory) -> Result<Vec<Vec<u8>>, EntryError> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).context("list the directory")? {
        let entry = entry.context("list the directory")?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}
