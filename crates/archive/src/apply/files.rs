//! Creates regular files and directories.

use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::applier::{Applier, EntryFailure};
use super::attributes;
use super::directories::{DirectoryOrigin, PendingDirectory};
use super::stat::{DIRECTORY, is_directory};
use super::tree::Replaced;
use crate::entry_path;
use crate::error::{EntryError, EntryErrorContext};
use crate::options::{Ownership, UnpackMode};
use crate::tar::{Segment, TarEntry, TarReader};

const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// How a directory came to be at the path of its entry.
#[derive(Clone, Copy)]
struct DirectoryState {
    /// Whether the directory existed before the entry.
    is_existing: bool,
    /// Whether it may have inherited access control lists from its parent.
    inherits_acl: bool,
}

impl Applier<'_> {
    /// Creates a regular file with its content.
    pub(super) fn create_file(
        &mut self,
        directory: &[u8],
        name: &[u8],
        entry: &TarEntry,
        reader: &mut TarReader<'_>,
    ) -> Result<(), EntryFailure> {
        let parent = self.tree.parent_for_adding(directory)?;
        // Set-ID bits are set last. Extended attributes can only be set on a file that its owner may write.
        let writable = if entry.has_xattrs() { 0o600 } else { 0 };
        let mode = Mode::from_raw_mode(entry.mode & 0o777 | writable);
        let fd = self.create_replacing(&parent, name, "create the file", || {
            rustix::fs::openat(&*parent, name, NEW_FILE, mode)
        })?;
        // The actual mode and owner depend on the umask, the directory and the mount options.
        let stat = rustix::fs::fstat(&fd).context("read the metadata of the new file")?;
        match &entry.sparse {
            None => self.write_content(fd.as_fd(), reader)?,
            Some(sparse) => {
                self.write_segments(fd.as_fd(), &sparse.segments, reader)?;
                rustix::fs::ftruncate(&fd, sparse.real_size).context("set the length")?;
            }
        }
        let inherits_acl = parent.has_default_acl;
        self.set_metadata(fd.as_fd(), entry, entry.mode, &stat, inherits_acl)?;
        let times = attributes::timestamps(entry.mtime);
        rustix::fs::futimens(&fd, &times).context("set the times")?;
        Ok(())
    }

    /// Creates a directory, or updates the existing one.
    pub(super) fn create_directory(
        &mut self,
        path: &[u8],
        entry: &TarEntry,
    ) -> Result<(), EntryError> {
        let (above, name) = entry_path::split(path);
        let parent = self.tree.parent_for_adding(above)?;
        self.tree.record_added(&parent, name);
        let mode = Mode::from_raw_mode(entry.mode & 0o777 | 0o700);
        let create = || rustix::fs::mkdirat(&*parent, name, mode);
        let mut replaced = Replaced::Nothing;
        let mut is_existing = false;
        match create() {
            Err(Errno::EXIST) if is_directory(&*parent, name)? => is_existing = true,
            // A file of any other type, in particular a symbolic link, is replaced (T05).
            Err(Errno::EXIST) => {
                replaced = self.tree.remove(&parent, name)?;
                create().context("create the directory")?;
            }
            result => result.context("create the directory")?,
        }
        let resolved = parent.child(name);
        let fd = match rustix::fs::openat(&*parent, name, DIRECTORY, Mode::empty()) {
            Err(Errno::ACCESS) if self.options.ownership == Ownership::CurrentUser => {
                let parent = parent.as_fd();
                self.tree.open_restricted(parent, name, &resolved)?
            }
            opened => opened.context("open the directory")?,
        };
        let state = DirectoryState {
            is_existing,
            inherits_acl: parent.has_default_acl && !is_existing,
        };
        self.update_directory(fd.as_fd(), &resolved, entry, state)?;
        if replaced == Replaced::File && self.options.mode == UnpackMode::Layer {
            // The replaced file hid its counterpart below, so the directory has to hide it too.
            self.tree.set_opaque(fd.as_fd())?;
        }
        let has_default_acl =
            (is_existing || entry.has_xattrs()) && attributes::has_default_acl(fd.as_fd());
        let directory = self.tree.open_directory(fd, resolved, has_default_acl);
        self.tree.open_directories.insert(path, Rc::new(directory));
        Ok(())
    }

    /// Updates the metadata of the root.
    pub(super) fn update_root(&mut self, entry: &TarEntry) -> Result<(), EntryError> {
        let root = self.tree.parent_for_adding(b"")?;
        let state = DirectoryState {
            is_existing: true,
            inherits_acl: false,
        };
        self.update_directory(root.as_fd(), b"", entry, state)?;
        let has_default_acl = attributes::has_default_acl(root.as_fd());
        let fd = root.fd.try_clone();
        let fd = fd.map_err(|source| EntryError::System {
            action: "open the root",
            source,
        })?;
        let root = self.tree.open_directory(fd, Vec::new(), has_default_acl);
        self.tree.open_directories.insert(b"", Rc::new(root));
        self.applied.has_root_entry = true;
        Ok(())
    }

    /// Sets the metadata of a directory from its entry. The time, and a mode by which the owner could not write
    /// to the directory, are set after all files exist.
    fn update_directory(
        &mut self,
        fd: BorrowedFd<'_>,
        resolved: &[u8],
        entry: &TarEntry,
        state: DirectoryState,
    ) -> Result<(), EntryError> {
        let recorded = self.tree.directories.get(resolved);
        let is_of_lower_layer = recorded.is_none_or(|it| it.origin == DirectoryOrigin::Existing);
        if state.is_existing && self.tree.is_flatten() && is_of_lower_layer {
            attributes::remove_xattrs(fd)?;
        }
        let stat = rustix::fs::fstat(fd).context("read the metadata of the directory")?;
        let writable = entry.mode | 0o700;
        self.set_metadata(fd, entry, writable, &stat, state.inherits_acl)?;
        let directory = PendingDirectory {
            mode: (writable != entry.mode).then_some(entry.mode),
            mtime: entry.mtime,
            origin: DirectoryOrigin::Entry,
        };
        self.tree.directories.insert(resolved, directory)
    }

    /// Writes the content of the entry.
    fn write_content(
        &mut self,
        fd: BorrowedFd<'_>,
        reader: &mut TarReader<'_>,
    ) -> Result<(), EntryFailure> {
        loop {
            let mut piece = reader.content()?;
            if piece.is_empty() {
                return Ok(());
            }
            self.applied.size += piece.len() as u64;
            while !piece.is_empty() {
                let written = rustix::io::retry_on_intr(|| rustix::io::write(fd, piece));
                piece = &piece[written.context("write")?..];
            }
        }
    }

    /// Writes the content of a sparse file to its segments. The rest of the file stays a hole.
    fn write_segments(
        &mut self,
        fd: BorrowedFd<'_>,
        segments: &[Segment],
        reader: &mut TarReader<'_>,
    ) -> Result<(), EntryFailure> {
        for segment in segments {
            let (mut offset, end) = (segment.offset, segment.offset + segment.length);
            while offset < end {
                let piece = reader.content_up_to(end - offset)?;
                self.applied.size += piece.len() as u64;
                let mut rest = piece;
                while !rest.is_empty() {
                    let pwrite = || rustix::io::pwrite(fd, rest, offset);
                    let written = rustix::io::retry_on_intr(pwrite).context("write")?;
                    rest = &rest[written..];
                    offset += written as u64;
                }
            }
        }
        Ok(())
    }
}
