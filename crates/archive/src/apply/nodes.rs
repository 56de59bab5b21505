//! Makes files, directories, symbolic links and special files.

use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::directories::{Directory, Origin};
use super::parents::Parent;
use super::tree::{DIRECTORY, Replaced, is_directory};
use super::{Applier, Failure, metadata, names};
use crate::error::{EntryError, Trying};
use crate::options::{self, Ownership};
use crate::tar::{Entry, Kind, Segment, TarReader};

const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Applier<'_> {
    /// Makes a regular file.
    pub(super) fn file(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &Entry,
        reader: &mut TarReader<'_>,
    ) -> Result<(), Failure> {
        let parent = self.tree.parent_for_adding(directory)?;
        // Set-id bits come last. Attributes can only be set on what its owner may write.
        let writable = if entry.has_xattrs() { 0o600 } else { 0 };
        let mode = Mode::from_raw_mode(entry.mode & 0o777 | writable);
        let fd = self.make(&parent, name, "make the file", || {
            rustix::fs::openat(&*parent, name, NEW_FILE, mode)
        })?;
        // What creating it gave depends on the umask, the directory and the mount: look, not guess.
        let stat = rustix::fs::fstat(&fd).trying("look at what was made")?;
        match &entry.sparse {
            None => self.write(fd.as_fd(), reader)?,
            Some(sparse) => {
                self.write_segments(fd.as_fd(), &sparse.segments, reader)?;
                rustix::fs::ftruncate(&fd, sparse.real_size).trying("set the length")?;
            }
        }
        self.dress(fd.as_fd(), entry, entry.mode, &stat, parent.default_acl)?;
        let times = metadata::timestamps(entry.mtime);
        rustix::fs::futimens(&fd, &times).trying("set the times")?;
        Ok(())
    }

    /// Makes a directory, or changes the one that is there.
    pub(super) fn directory(&mut self, path: &[u8], entry: &Entry) -> Result<(), EntryError> {
        let (above, name) = names::split(path);
        let parent = self.tree.parent_for_adding(above)?;
        self.tree.adding(&parent, name);
        let mode = Mode::from_raw_mode(entry.mode & 0o777 | 0o700);
        let make = || rustix::fs::mkdirat(&*parent, name, mode);
        let mut replaced = Replaced::Nothing;
        let mut found = false;
        match make() {
            Err(Errno::EXIST) if is_directory(&parent, name)? => found = true,
            // Whatever it is, a link above all, the directory takes its place (T05).
            Err(Errno::EXIST) => {
                replaced = self.tree.clear(&parent, name)?;
                make().trying("make the directory")?;
            }
            result => result.trying("make the directory")?,
        }
        let real = parent.child(name);
        let fd = match rustix::fs::openat(&*parent, name, DIRECTORY, Mode::empty()) {
            Err(Errno::ACCESS) if self.options.ownership == Ownership::CurrentUser => {
                self.tree.unlock(parent.as_fd(), name, &real)?
            }
            opened => opened.trying("open the directory")?,
        };
        self.dress_directory(fd.as_fd(), &real, entry, found, parent.default_acl)?;
        if replaced == Replaced::Something && self.options.mode == options::UnpackMode::Layer {
            // What it replaces hid what is below, and so does it.
            metadata::set_opaque(fd.as_fd(), self.options.ownership)?;
        }
        let default_acl = (found || entry.has_xattrs()) && metadata::has_default_acl(fd.as_fd());
        let directory = Rc::new(self.tree.new_parent(fd, real, default_acl));
        self.tree.parents.insert(path, directory);
        Ok(())
    }

    /// Changes the root.
    pub(super) fn root(&mut self, entry: &Entry) -> Result<(), EntryError> {
        let root = self.tree.parent_for_adding(b"")?;
        self.dress_directory(root.as_fd(), b"", entry, true, false)?;
        let default_acl = metadata::has_default_acl(root.as_fd());
        let fd = root.fd.try_clone();
        let fd = fd.map_err(|source| EntryError::System {
            action: "hold the root",
            source,
        })?;
        let root = Rc::new(self.tree.new_parent(fd, Vec::new(), default_acl));
        self.tree.parents.insert(b"", root);
        self.applied.has_root_entry = true;
        Ok(())
    }

    /// Makes a symbolic link. Its text is stored as it is and means nothing here.
    pub(super) fn symlink(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &Entry,
    ) -> Result<(), EntryError> {
        let parent = self.tree.parent_for_adding(directory)?;
        self.make(&parent, name, "make the symbolic link", || {
            rustix::fs::symlinkat(&*entry.link, &*parent, name)
        })?;
        self.dress_by_name(&parent, name, entry, None)
    }

    /// Makes a device node, or skips it.
    pub(super) fn device(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &Entry,
    ) -> Result<(), EntryError> {
        let number = device_number(entry)?;
        let kind = match entry.kind {
            Kind::BlockDevice => FileType::BlockDevice,
            _ => FileType::CharacterDevice,
        };
        if kind == FileType::CharacterDevice && number == 0 {
            return Err(EntryError::WhiteoutDevice);
        }
        if self.options.ownership == Ownership::Exact {
            return self.special(directory, name, entry, kind, number);
        }
        let parent = self.tree.parent_for_adding(directory)?;
        self.tree.adding(&parent, name);
        self.tree.clear(&parent, name)?;
        self.skipped_devices
            .insert(self.tree.keys.child(parent.key, name));
        self.applied.skipped.devices += 1;
        Ok(())
    }

    /// Makes a fifo.
    pub(super) fn fifo(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &Entry,
    ) -> Result<(), EntryError> {
        self.special(directory, name, entry, FileType::Fifo, 0)
    }

    /// Makes something with `how`, in place of whatever is there.
    pub(super) fn make<T>(
        &mut self,
        parent: &Parent,
        name: &[u8],
        action: &'static str,
        how: impl Fn() -> rustix::io::Result<T>,
    ) -> Result<T, EntryError> {
        self.tree.adding(parent, name);
        match how() {
            Err(Errno::EXIST) => {
                self.tree.clear(parent, name)?;
                how().trying(action)
            }
            result => result.trying(action),
        }
    }

    fn special(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &Entry,
        kind: FileType,
        number: u64,
    ) -> Result<(), EntryError> {
        let parent = self.tree.parent_for_adding(directory)?;
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        self.make(&parent, name, "make the special file", || {
            rustix::fs::mknodat(&*parent, name, kind, mode, number)
        })?;
        self.dress_by_name(&parent, name, entry, Some(entry.mode))
    }

    /// Gives a directory what its entry says, but what would hinder filling it: that comes last.
    fn dress_directory(
        &mut self,
        fd: BorrowedFd<'_>,
        real: &[u8],
        entry: &Entry,
        found: bool,
        inherits_acl: bool,
    ) -> Result<(), EntryError> {
        let known = self.tree.directories.get(real).map(|known| known.origin);
        if found && self.tree.is_flatten() && known.is_none_or(|origin| origin == Origin::Before) {
            metadata::remove_xattrs(fd)?;
        }
        let stat = rustix::fs::fstat(fd).trying("look at the directory")?;
        let open = entry.mode | 0o700;
        self.dress(fd, entry, open, &stat, inherits_acl && !found)?;
        let directory = Directory {
            mode: (open != entry.mode).then_some(entry.mode),
            mtime: entry.mtime,
            origin: Origin::Entry,
        };
        self.tree.directories.insert(real, directory)
    }

    /// Writes all of the entry's content.
    fn write(&mut self, fd: BorrowedFd<'_>, reader: &mut TarReader<'_>) -> Result<(), Failure> {
        loop {
            let mut piece = reader.content()?;
            if piece.is_empty() {
                return Ok(());
            }
            self.applied.size += piece.len() as u64;
            while !piece.is_empty() {
                let written = rustix::io::retry_on_intr(|| rustix::io::write(fd, piece));
                piece = &piece[written.trying("write")?..];
            }
        }
    }

    /// Writes all of the entry's content where it belongs, and so leaves the holes.
    fn write_segments(
        &mut self,
        fd: BorrowedFd<'_>,
        segments: &[Segment],
        reader: &mut TarReader<'_>,
    ) -> Result<(), Failure> {
        for segment in segments {
            let (mut offset, end) = (segment.offset, segment.offset + segment.length);
            while offset < end {
                let piece = reader.content_up_to(end - offset)?;
                self.applied.size += piece.len() as u64;
                let mut rest = piece;
                while !rest.is_empty() {
                    let pwrite = || rustix::io::pwrite(fd, rest, offset);
                    let written = rustix::io::retry_on_intr(pwrite).trying("write")?;
                    rest = &rest[written..];
                    offset += written as u64;
                }
            }
        }
        Ok(())
    }
}

/// Returns the number as the kernel takes it: twelve bits and twenty.
pub(crate) fn device_number(entry: &Entry) -> Result<u64, EntryError> {
    let (major, minor) = entry.device;
    let fits = |number: u64, bits: u32| u32::try_from(number).ok().filter(|n| n >> bits == 0);
    let number = fits(major, 12).zip(fits(minor, 20));
    let (major, minor) = number.ok_or(EntryError::Device { major, minor })?;
    Ok(rustix::fs::makedev(major, minor))
}
