//! Creates files in place of existing ones.

use rustix::io::Errno;

use super::applier::Applier;
use super::open_directories::OpenDirectory;
use crate::error::{EntryError, EntryErrorContext};

impl Applier<'_> {
    /// Creates `name` with the function `create`. If the name exists, it is removed first.
    pub(super) fn create_replacing<T>(
        &mut self,
        parent: &OpenDirectory,
        name: &[u8],
        action: &'static str,
        create: impl Fn() -> rustix::io::Result<T>,
    ) -> Result<T, EntryError> {
        self.tree.record_added(parent, name);
        match create() {
            Err(Errno::EXIST) => {
                self.tree.remove(parent, name)?;
                create().context(action)
            }
            result => result.context(action),
        }
    }

    /// Skips a device, or a hard link to a skipped device. An existing file of this name is removed.
    pub(super) fn skip_device(&mut self, directory: &[u8], name: &[u8]) -> Result<(), EntryError> {
        let parent = self.tree.parent_for_adding(directory)?;
        self.tree.record_added(&parent, name);
        self.tree.remove(&parent, name)?;
        self.skipped_devices
            .insert(self.tree.keys.child(parent.key, name));
        self.applied.skipped.devices += 1;
        Ok(())
    }
}
