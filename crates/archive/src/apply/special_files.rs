//! Creates symbolic links, device nodes and fifos.

use rustix::fs::{FileType, Mode};

use super::applier::Applier;
use crate::error::EntryError;
use crate::options::Ownership;
use crate::tar::TarEntry;
use crate::unpack_rules::device_number;

impl Applier<'_> {
    /// Creates a symbolic link. Its target is stored unchanged.
    pub(super) fn create_symlink(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &TarEntry,
    ) -> Result<(), EntryError> {
        let parent = self.tree.parent_for_adding(directory)?;
        self.create_replacing(&parent, name, "create the symbolic link", || {
            rustix::fs::symlinkat(&*entry.link, &*parent, name)
        })?;
        // `lstat` returns this size, and Docker counts it.
        self.applied.size += entry.link.len() as u64;
        self.set_metadata_by_name(&parent, name, entry, None)
    }

    /// Creates a device node of the type `kind`, or skips it with [`Ownership::CurrentUser`].
    pub(super) fn create_device(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &TarEntry,
        kind: FileType,
    ) -> Result<(), EntryError> {
        let (major, minor) = entry.device;
        let number = device_number(major, minor)?;
        if kind == FileType::CharacterDevice && number == 0 {
            return Err(EntryError::WhiteoutDevice);
        }
        match self.options.ownership {
            Ownership::Exact => self.create_special(directory, name, entry, kind, number),
            Ownership::CurrentUser => self.skip_device(directory, name),
        }
    }

    /// Creates a fifo.
    pub(super) fn create_fifo(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &TarEntry,
    ) -> Result<(), EntryError> {
        self.create_special(directory, name, entry, FileType::Fifo, 0)
    }

    fn create_special(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &TarEntry,
        kind: FileType,
        number: u64,
    ) -> Result<(), EntryError> {
        let parent = self.tree.parent_for_adding(directory)?;
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        self.create_replacing(&parent, name, "create the special file", || {
            rustix::fs::mknodat(&*parent, name, kind, mode, number)
        })?;
        self.set_metadata_by_name(&parent, name, entry, Some(entry.mode))
    }
}
