//! Creates hard links between names in open directories.

use std::os::fd::AsFd as _;
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::applier::Applier;
use super::open_directories::OpenDirectory;
use super::stat::is_whiteout;
use crate::entry_name::EntryName;
use crate::entry_path;
use crate::error::{EntryError, EntryErrorContext};
use crate::options::UnpackMode;
use crate::tar::TarEntry;
use crate::unpack_rules::MissingParent;

impl Applier<'_> {
    /// Creates a hard link. The link has the metadata of its target. If linking fails, the file is not copied
    /// instead (A17).
    pub(super) fn create_hard_link(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &TarEntry,
    ) -> Result<(), EntryError> {
        let mut target = Vec::new();
        entry_path::normalize(&entry.link, &mut target).map_err(|error| match error {
            EntryError::Escapes => EntryError::TargetEscapes {
                target: EntryName::new(&entry.link),
            },
            error => error,
        })?;
        let missing = || EntryError::MissingTarget {
            target: EntryName::new(&entry.link),
        };
        if target.is_empty() {
            return Err(missing());
        }
        if let Some(file) = entry_path::aufs_file(&target)
            && self.link_aufs_file(directory, name, file)?
        {
            return Ok(());
        }
        let (target_directory, target_name) = entry_path::split(&target);
        let Some(from) = self.tree.parent(target_directory, MissingParent::Leave)? else {
            return self.link_to_lower_layer(directory, name, &target, missing());
        };
        let stat = match rustix::fs::statat(&*from, target_name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => {
                let key = self.tree.keys.child(from.key, target_name);
                if self.skipped_devices.contains(&key) {
                    return self.skip_device(directory, name);
                }
                // The resolved path, because the target may have been found through a symbolic link.
                let target = from.child(target_name);
                return self.link_to_lower_layer(directory, name, &target, missing());
            }
            Err(error) => return Err(error).context("read the metadata of its target"),
        };
        if self.options.mode == UnpackMode::Layer && is_whiteout(from.as_fd(), target_name, &stat)?
        {
            return Err(missing());
        }
        let parent = self.tree.parent_for_adding(directory)?;
        if let Ok(existing) = rustix::fs::statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            let is_same = (existing.st_dev, existing.st_ino) == (stat.st_dev, stat.st_ino);
            if is_same && FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                self.tree.record_added(&parent, name);
                return Ok(());
            }
        }
        self.link(&from, target_name, &parent, name)
    }

    pub(super) fn link(
        &mut self,
        from: &Rc<OpenDirectory>,
        target: &[u8],
        parent: &Rc<OpenDirectory>,
        name: &[u8],
    ) -> Result<(), EntryError> {
        self.create_replacing(parent, name, "create the hard link", || {
            rustix::fs::linkat(&**from, target, &**parent, name, AtFlags::empty())
        })
    }

    /// Handles a link whose target does not exist. In a layer, the target may be in a lower layer; otherwise
    /// `missing` is returned.
    fn link_to_lower_layer(
        &mut self,
        directory: &[u8],
        name: &[u8],
        target: &[u8],
        missing: EntryError,
    ) -> Result<(), EntryError> {
        if self.options.mode == UnpackMode::Flatten {
            return Err(missing);
        }
        let parent = self.tree.parent_for_adding(directory)?;
        let path = parent.child(name);
        if path == target {
            return Err(EntryError::SelfLink);
        }
        self.tree.record_added(&parent, name);
        self.tree.remove(&parent, name)?;
        self.tree.record_lower_link(path, target)
    }
}
