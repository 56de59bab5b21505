//! Finds the directories that entries are created in.

use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::open_directories::OpenDirectory;
use super::stat::is_whiteout;
use super::tree::{UnpackTree, entry_error};
use crate::entry_name::EntryName;
use crate::entry_path;
use crate::error::{EntryError, EntryErrorContext, UnpackError};
use crate::options::PathResolution;
use crate::unpack_rules::MissingParent;
use crate::unpacked::LowerLayerLink;

impl UnpackTree {
    /// Returns the directory at the normalized `path`, resolved as if the root were `/`. Returns `None` if it is
    /// missing and `missing` is [`MissingParent::Leave`].
    pub(super) fn parent(
        &mut self,
        path: &[u8],
        missing: MissingParent,
    ) -> Result<Option<Rc<OpenDirectory>>, EntryError> {
        let parent = match self.open_directories.get(path) {
            Some(parent) => parent,
            None => match self.find(path, missing)? {
                None => return Ok(None),
                Some((fd, resolved)) => {
                    let parent = self.adopt(fd, resolved)?;
                    self.open_directories.insert(path, Rc::clone(&parent));
                    parent
                }
            },
        };
        if missing == MissingParent::Create
            && !parent.holds_added.replace(true)
            && self.is_flatten()
        {
            self.record_added_beneath(&parent.path);
        }
        Ok(Some(parent))
    }

    /// Like [`UnpackTree::parent`], but creates missing directories.
    pub(super) fn parent_for_adding(
        &mut self,
        path: &[u8],
    ) -> Result<Rc<OpenDirectory>, EntryError> {
        let parent = self.parent(path, MissingParent::Create)?;
        Ok(parent.expect("a missing directory is created, or an error is returned"))
    }

    /// Returns the hard links to lower layers. A link to something that this layer added after the link is an
    /// error.
    pub(super) fn take_lower_links(&mut self) -> Result<Vec<LowerLayerLink>, UnpackError> {
        let mut links = Vec::with_capacity(self.lower_links.len());
        for (path, target) in std::mem::take(&mut self.lower_links) {
            let error = match self.is_in_layer(&target) {
                Ok(false) => {
                    links.push(LowerLayerLink { path, target });
                    continue;
                }
                Ok(true) => EntryError::MissingTarget {
                    target: EntryName::new(&target),
                },
                Err(error) => error,
            };
            return Err(entry_error(&path, error));
        }
        Ok(links)
    }

    /// Opens the directory at `path`. Returns it and its path with symbolic links resolved.
    fn find(
        &mut self,
        path: &[u8],
        missing: MissingParent,
    ) -> Result<Option<(OwnedFd, Vec<u8>)>, EntryError> {
        if self.resolve == PathResolution::Kernel {
            match self.open_without_links(path) {
                // The path contains no symbolic link, so it is the resolved path.
                Ok(fd) => return Ok(Some((fd, path.to_vec()))),
                Err(Errno::NOSYS | Errno::PERM) => self.resolve = PathResolution::Walk,
                Err(_) => {}
            }
        }
        self.walk(path, missing)
    }

    /// Returns whether this layer has a file at `path`.
    fn is_in_layer(&mut self, path: &[u8]) -> Result<bool, EntryError> {
        let (directory, name) = entry_path::split(path);
        let Some(parent) = self.parent(directory, MissingParent::Leave)? else {
            return Ok(false);
        };
        match rustix::fs::statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(!is_whiteout(parent.as_fd(), name, &stat)?),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error).context("read the metadata of its target"),
        }
    }
}
