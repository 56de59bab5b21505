//! Resolves a path component by component.
//!
//! This handles paths through symbolic links, which are resolved as if the root were `/`, paths with missing
//! directories, and kernels without `openat2`. It only opens single names in open directories, never through a
//! symbolic link.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::directories::{DirectoryOrigin, PendingDirectory};
use super::stat::{self, DIRECTORY, is_whiteout};
use super::tree::UnpackTree;
use crate::entry_name::EntryName;
use crate::entry_path;
use crate::error::{EntryError, EntryErrorContext};
use crate::options::{Ownership, UnpackMode};
use crate::unpack_rules::{MAX_LINKS, MAX_STEPS, MissingParent, charge_link_step, push_components};

/// The state of resolving one path.
struct PathWalk {
    /// The current directory. `None` if it has to be opened by `path`.
    fd: Option<OwnedFd>,
    /// The path of the current directory, with symbolic links resolved.
    path: Vec<u8>,
    /// The stack of the remaining components, the next one last.
    pending: Vec<Vec<u8>>,
    /// The number of symbolic links followed.
    links: usize,
    /// The number of components resolved.
    steps: usize,
    missing: MissingParent,
}

impl UnpackTree {
    /// Opens the directory at `path`. Returns it and its path with symbolic links resolved, or `None` if it is
    /// missing and `missing` is [`MissingParent::Leave`].
    pub(super) fn walk(
        &mut self,
        path: &[u8],
        missing: MissingParent,
    ) -> Result<Option<(OwnedFd, Vec<u8>)>, EntryError> {
        let mut walk = PathWalk {
            fd: None,
            path: Vec::new(),
            pending: Vec::new(),
            links: 0,
            steps: 0,
            missing,
        };
        push_components(&mut walk.pending, path);
        while let Some(name) = walk.pending.pop() {
            walk.steps += 1;
            if walk.steps > MAX_STEPS {
                return Err(EntryError::LinkLoop);
            }
            if walk.links > 0 {
                charge_link_step(&mut self.link_steps, walk.path.len())?;
            }
            if name == b".." {
                // As in any file system, the parent of the root is the root.
                walk.path.truncate(entry_path::parent_length(&walk.path));
                walk.fd = None;
            } else if !self.enter(&mut walk, &name)? {
                return Ok(None);
            }
        }
        let fd = match walk.fd {
            Some(fd) => fd,
            None => self.open_resolved(&walk.path)?,
        };
        Ok(Some((fd, walk.path)))
    }

    /// Enters the directory `name`, follows the link `name`, or creates the directory. Returns `false` if it is
    /// missing.
    fn enter(&mut self, walk: &mut PathWalk, name: &[u8]) -> Result<bool, EntryError> {
        let current = match walk.fd.take() {
            Some(fd) => fd,
            None => self.open_resolved(&walk.path)?,
        };
        let path = entry_path::join(&walk.path, name);
        if path.len() >= entry_path::PATH_MAX {
            return Err(EntryError::PathTooLong);
        }
        let opened = rustix::fs::openat(&current, name, DIRECTORY, Mode::empty());
        let fd = match opened {
            Ok(fd) => fd,
            Err(Errno::NOENT) if walk.missing == MissingParent::Create => {
                self.create_implied(current.as_fd(), name, &path)?
            }
            Err(Errno::NOENT) => return Ok(false),
            // The kernel reports a symbolic link by either error.
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return self.enter_other(walk, current, name, path);
            }
            Err(Errno::ACCESS) if self.ownership == Ownership::CurrentUser => {
                self.open_restricted(current.as_fd(), name, &path)?
            }
            Err(error) => return Err(error).context("open a parent directory"),
        };
        if self.ownership == Ownership::CurrentUser {
            self.record_existing(fd.as_fd(), &path)?;
        }
        walk.fd = Some(fd);
        walk.path = path;
        Ok(true)
    }

    /// Handles a component that is not a directory. A symbolic link is followed. A whiteout of this layer, which
    /// only hides files of the layers below, is replaced by a directory.
    fn enter_other(
        &mut self,
        walk: &mut PathWalk,
        current: OwnedFd,
        name: &[u8],
        path: Vec<u8>,
    ) -> Result<bool, EntryError> {
        let stat = rustix::fs::statat(&current, name, AtFlags::SYMLINK_NOFOLLOW)
            .context("read the metadata of a parent")?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            walk.follow(current, name)?;
            return Ok(true);
        }
        if walk.missing == MissingParent::Leave {
            return Ok(false);
        }
        if self.mode == UnpackMode::Layer && is_whiteout(current.as_fd(), name, &stat)? {
            rustix::fs::unlinkat(&current, name, AtFlags::empty())
                .context("replace a whiteout in its path")?;
            let fd = self.create_implied(current.as_fd(), name, &path)?;
            self.set_opaque(fd.as_fd())?;
            walk.fd = Some(fd);
            walk.path = path;
            return Ok(true);
        }
        Err(EntryError::NotADirectory {
            parent: EntryName::new(&path),
        })
    }

    /// Opens a directory that its owner, the current user, may not read, after granting the owner access.
    pub(super) fn open_restricted(
        &mut self,
        at: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
    ) -> Result<OwnedFd, EntryError> {
        let flags = DIRECTORY.union(OFlags::PATH);
        let fd = rustix::fs::openat(at, name, flags, Mode::empty())
            .context("open a parent directory")?;
        if self.directories.get(path).is_none() {
            let stat = rustix::fs::fstat(&fd).context("read the metadata of a parent directory")?;
            let mode = stat::permissions(&stat);
            let accessible = Mode::from_raw_mode(mode | 0o700);
            rustix::fs::chmod(stat::proc_path(fd.as_fd()), accessible)
                .context("make a parent directory readable")?;
            let existing = PendingDirectory {
                mode: Some(mode),
                mtime: stat::mtime(&stat),
                origin: DirectoryOrigin::Existing,
            };
            self.directories.insert(path, existing)?;
        }
        rustix::fs::openat(at, name, DIRECTORY, Mode::empty()).context("open a parent directory")
    }
}

impl PathWalk {
    /// Follows the symbolic link `name` in the directory `current`.
    fn follow(&mut self, current: OwnedFd, name: &[u8]) -> Result<(), EntryError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(EntryError::LinkLoop);
        }
        let target = rustix::fs::readlinkat(&current, name, Vec::new())
            .context("read a symbolic link in its path")?;
        let target = target.as_bytes();
        if target.starts_with(b"/") {
            self.path.clear();
        } else {
            self.fd = Some(current);
        }
        push_components(&mut self.pending, target);
        Ok(())
    }
}
