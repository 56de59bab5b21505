//! A target directory, which is emptied again if unpacking fails.
//!
//! The directory is checked, filled and emptied by one handle. So even if its path changes meanwhile, only content that was
//! created here is removed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{CWD, Dir, FlockOperation, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use windlass_store::remove_tree;

use super::error::UnpackImageError;

/// The directory that mkfs creates in a new file system.
const LOST_AND_FOUND: &str = "lost+found";

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// The target directory. Unless it is kept, it gets its previous state back.
pub(crate) struct UnpackTarget<'a> {
    path: &'a Path,
    directory: OwnedFd,
    /// Its previous state; `None` if it was created.
    before: Option<Before>,
    kept: bool,
}

/// The previous state of an existing directory.
struct Before {
    stat: Stat,
    /// Whether it is a mount point.
    has_lost_and_found: bool,
}

impl<'a> UnpackTarget<'a> {
    /// Creates the directory `path`, or checks that it is empty, and locks it against other unpacking processes.
    pub(crate) fn open(path: &'a Path) -> Result<Self, UnpackImageError> {
        let failed = |action| {
            let path = path.to_owned();
            move |error: io::Error| UnpackImageError::Directory {
                action,
                path,
                source: error,
            }
        };
        let (is_new, links) = match fs::create_dir(path) {
            Ok(()) => (true, OFlags::NOFOLLOW),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (false, OFlags::empty()),
            Err(error) => return Err(failed("create")(error)),
        };
        let directory = rustix::fs::openat(CWD, path, DIRECTORY | links, Mode::empty())
            .map_err(|error| failed("open")(error.into()))?;
        // Not every file system has locks; without them, only concurrent processes are not detected.
        let locked = rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive);
        let has_lost_and_found = match contents(directory.as_fd()).map_err(failed("read"))? {
            Contents::Empty => false,
            Contents::LostAndFound => true,
            Contents::Other => return Err(not_empty(path)),
        };
        if locked == Err(Errno::WOULDBLOCK) {
            return Err(not_empty(path));
        }
        let stat = rustix::fs::fstat(&directory)
            .map_err(|error| failed("read the attributes of")(error.into()))?;
        let before = Before {
            stat,
            has_lost_and_found,
        };
        Ok(Self {
            path,
            directory,
            before: (!is_new).then_some(before),
            kept: false,
        })
    }

    /// Returns the open directory.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Returns whether the directory was created.
    pub(crate) fn is_new(&self) -> bool {
        self.before.is_none()
    }

    /// Keeps the content.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }

    fn empty(&self) -> io::Result<()> {
        let keeps_lost_and_found = self
            .before
            .as_ref()
            .is_some_and(|before| before.has_lost_and_found);
        for name in names(self.directory.as_fd())? {
            if keeps_lost_and_found && name == LOST_AND_FOUND && self.empty_lost_and_found().is_ok()
            {
                continue;
            }
            remove_tree(self.directory.as_fd(), &name)?;
        }
        Ok(())
    }

    /// Such a directory was empty before as well, or this process cannot read it.
    fn empty_lost_and_found(&self) -> io::Result<()> {
        let inner = match open(self.directory.as_fd(), LOST_AND_FOUND) {
            Err(Errno::ACCESS) => return Ok(()),
            opened => opened?,
        };
        for name in names(inner.as_fd())? {
            remove_tree(inner.as_fd(), &name)?;
        }
        Ok(())
    }
}

impl Before {
    /// Restores the attributes that the root directory of the image may have changed.
    fn restore(&self, directory: BorrowedFd<'_>) -> rustix::io::Result<()> {
        use rustix::fs::{Gid, Uid};
        let stat = &self.stat;
        let now = rustix::fs::fstat(directory)?;
        if (now.st_uid, now.st_gid) != (stat.st_uid, stat.st_gid) {
            let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            rustix::fs::fchown(directory, Some(owner.0), Some(owner.1))?;
        }
        rustix::fs::fchmod(directory, Mode::from_raw_mode(stat.st_mode))?;
        let time = |seconds, nanoseconds: u64| Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds.try_into().unwrap_or_default(),
        };
        let times = Timestamps {
            last_access: time(stat.st_atime, stat.st_atime_nsec),
            last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
        };
        rustix::fs::futimens(directory, &times)
    }
}

impl Drop for UnpackTarget<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // The original error is reported; that the directory is not empty is visible in it.
        drop(self.empty());
        match &self.before {
            Some(before) => drop(before.restore(self.directory.as_fd())),
            None => drop(fs::remove_dir(self.path)),
        }
    }
}

/// The content of a directory.
enum Contents {
    Empty,
    /// Only a `lost+found` that is empty, as far as it can be read.
    LostAndFound,
    Other,
}

fn contents(directory: BorrowedFd<'_>) -> io::Result<Contents> {
    let names = names(directory)?;
    match &*names {
        [] => return Ok(Contents::Empty),
        [name] if name == LOST_AND_FOUND => {}
        _ => return Ok(Contents::Other),
    }
    let inner = match open(directory, LOST_AND_FOUND) {
        // An ordinary user, in a file system that root has created: that user cannot remove its content.
        Err(Errno::ACCESS) => return Ok(Contents::LostAndFound),
        // A file or a link with this name.
        Err(Errno::NOTDIR | Errno::LOOP) => return Ok(Contents::Other),
        opened => opened?,
    };
    Ok(if self::names(inner.as_fd())?.is_empty() {
        Contents::LostAndFound
    } else {
        Contents::Other
    })
}

fn open(directory: BorrowedFd<'_>, name: &str) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(directory, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}

fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

fn not_empty(path: &Path) -> UnpackImageError {
    UnpackImageError::NotEmpty {
        path: path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
