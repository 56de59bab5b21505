//! Whiteouts: what a layer takes away from those below, never from itself, wherever in the tar they
//! stand (OCI image specification, "Whiteouts"; T06).

use std::os::fd::AsFd;
use std::rc::Rc;

use rustix::fs::{AtFlags, Dir, FileType, Mode};
use rustix::io::Errno;

use super::parents::Parent;
use super::tree::{Missing, is_directory};
use super::{Applier, metadata};
use crate::error::{EntryError, Trying};
use crate::options;
use crate::tar::Entry;

impl Applier<'_> {
    /// Takes `name` away.
    pub(super) fn whiteout(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &Entry,
    ) -> Result<(), EntryError> {
        match self.options.mode {
            options::UnpackMode::Layer => self.make_whiteout(directory, name, entry),
            options::UnpackMode::Flatten => match self.tree.parent(directory, Missing::Leave)? {
                Some(parent) => self.remove_lower(&parent, name),
                None => Ok(()),
            },
        }
    }

    /// Takes all away that is in `directory`.
    pub(super) fn opaque(&mut self, directory: &[u8]) -> Result<(), EntryError> {
        match self.options.mode {
            options::UnpackMode::Layer => {
                let directory = self.tree.parent_for_adding(directory)?;
                self.applied.opaque_root |= directory.path.is_empty();
                metadata::set_opaque(directory.as_fd(), self.options.ownership)
            }
            options::UnpackMode::Flatten => match self.tree.parent(directory, Missing::Leave)? {
                Some(directory) => self.sweep(&directory),
                None => Ok(()),
            },
        }
    }

    /// Makes overlayfs's form of a whiteout, which an ordinary user may make, too, since Linux 5.8.
    fn make_whiteout(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &Entry,
    ) -> Result<(), EntryError> {
        let parent = self.tree.parent_for_adding(directory)?;
        let kind = FileType::CharacterDevice;
        match rustix::fs::mknodat(&*parent, name, kind, Mode::empty(), 0) {
            Ok(()) => {
                let times = metadata::timestamps(entry.mtime);
                rustix::fs::utimensat(&*parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
                    .trying("set the times")
            }
            // What this layer added stays and hides what is below by itself; a directory has to be told.
            Err(Errno::EXIST) => self.hide_below(&parent, name),
            Err(error) => Err(error).trying("make the whiteout"),
        }
    }

    fn hide_below(&mut self, parent: &Parent, name: &[u8]) -> Result<(), EntryError> {
        if !is_directory(parent, name)? {
            return Ok(());
        }
        let fd = self.tree.open_real(&parent.child(name))?;
        metadata::set_opaque(fd.as_fd(), self.options.ownership)
    }

    /// Removes what is called `name` and was there before this layer.
    fn remove_lower(&mut self, parent: &Rc<Parent>, name: &[u8]) -> Result<(), EntryError> {
        if !self.tree.is_added(self.tree.keys.child(parent.key, name)) {
            return self.tree.clear(parent, name).map(drop);
        }
        if !is_directory(parent, name)? {
            return Ok(());
        }
        let path = parent.child(name);
        let fd = self.tree.open_real(&path)?;
        let directory = self.tree.hold(fd, path)?;
        self.sweep(&directory)
    }

    /// Removes what was in a directory before this layer, and in those in it that this layer added to.
    fn sweep(&mut self, directory: &Rc<Parent>) -> Result<(), EntryError> {
        let mut ahead = Vec::new();
        self.sweep_one(directory, &mut ahead)?;
        while let Some(path) = ahead.pop() {
            let fd = self.tree.open_real(&path)?;
            let directory = self.tree.hold(fd, path)?;
            self.sweep_one(&directory, &mut ahead)?;
        }
        Ok(())
    }

    /// Removes what was in one directory before this layer, and notes in `ahead` those to go on with.
    fn sweep_one(
        &mut self,
        directory: &Parent,
        ahead: &mut Vec<Vec<u8>>,
    ) -> Result<(), EntryError> {
        for name in list(directory)? {
            let key = self.tree.keys.child(directory.key, &name);
            if !self.tree.is_added(key) {
                self.tree.clear(directory, &name)?;
            } else if is_directory(directory, &name)? {
                ahead.push(directory.child(&name));
            }
        }
        Ok(())
    }
}

/// Returns the names in a directory.
fn list(directory: &Parent) -> Result<Vec<Vec<u8>>, EntryError> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).trying("list the directory")? {
        let entry = entry.trying("list the directory")?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}
