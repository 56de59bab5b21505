//! Makes hard links, between names in the root and by nothing but directories that are held.

use std::rc::Rc;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::parents::Parent;
use super::tree::{Missing, is_whiteout};
use super::{Applier, names};
use crate::error::{EntryError, EntryName, Trying};
use crate::options;
use crate::tar::Entry;

impl Applier<'_> {
    /// Makes a hard link. What it links to has its metadata already. There is no other way: what cannot
    /// be linked is not copied (A17).
    pub(super) fn hard_link(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &Entry,
    ) -> Result<(), EntryError> {
        let mut target = Vec::new();
        names::clean(&entry.link, &mut target).map_err(|error| match error {
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
        let (target_directory, target_name) = names::split(&target);
        let Some(from) = self.tree.parent(target_directory, Missing::Leave)? else {
            return self.link_below(directory, name, &target, missing());
        };
        let stat = match rustix::fs::statat(&*from, target_name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => {
                let key = self.tree.keys.child(from.key, target_name);
                if self.skipped_devices.contains(&key) {
                    return self.skip_link(directory, name);
                }
                // Where it really is, for it may have been reached through a link.
                let target = from.child(target_name);
                return self.link_below(directory, name, &target, missing());
            }
            Err(error) => return Err(error).trying("look at its target"),
        };
        if self.options.mode == options::UnpackMode::Layer && is_whiteout(&stat) {
            return Err(missing());
        }
        let parent = self.tree.parent_for_adding(directory)?;
        if let Ok(found) = rustix::fs::statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            let is_same = (found.st_dev, found.st_ino) == (stat.st_dev, stat.st_ino);
            if is_same && FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                self.tree.adding(&parent, name);
                return Ok(());
            }
        }
        self.link(&from, target_name, &parent, name)
    }

    fn link(
        &mut self,
        from: &Rc<Parent>,
        target: &[u8],
        parent: &Rc<Parent>,
        name: &[u8],
    ) -> Result<(), EntryError> {
        self.make(parent, name, "make the hard link", || {
            rustix::fs::linkat(&**from, target, &**parent, name, AtFlags::empty())
        })
    }

    /// Deals with a link whose target is not here: in a layer, it may be below.
    fn link_below(
        &mut self,
        directory: &[u8],
        name: &[u8],
        target: &[u8],
        missing: EntryError,
    ) -> Result<(), EntryError> {
        if self.options.mode == options::UnpackMode::Flatten {
            return Err(missing);
        }
        let parent = self.tree.parent_for_adding(directory)?;
        let path = parent.child(name);
        if path == target {
            return Err(EntryError::SelfLink);
        }
        self.tree.adding(&parent, name);
        self.tree.clear(&parent, name)?;
        self.tree.link_below(path, target)
    }

    /// Skips a link to a device that was skipped.
    fn skip_link(&mut self, directory: &[u8], name: &[u8]) -> Result<(), EntryError> {
        let parent = self.tree.parent_for_adding(directory)?;
        self.tree.adding(&parent, name);
        self.tree.clear(&parent, name)?;
        self.skipped_devices
            .insert(self.tree.keys.child(parent.key, name));
        self.applied.skipped.devices += 1;
        Ok(())
    }
}
