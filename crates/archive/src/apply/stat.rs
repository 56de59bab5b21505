//! Helpers for open flags and the results of `stat`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, OFlags, Stat};
use rustix::io::Errno;

use crate::error::{EntryError, EntryErrorContext};
use crate::hiding;
use crate::tar::Timestamp;

/// The flags to open a directory without following a symbolic link.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Returns whether `name` is a directory. A missing file is none.
pub(super) fn is_directory(parent: impl AsFd, name: &[u8]) -> Result<bool, EntryError> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error).context("read the metadata of the existing file"),
    }
}

/// Returns whether the existing file `name`, whose metadata is `stat`, is a whiteout.
pub(super) fn is_whiteout(
    parent: BorrowedFd<'_>,
    name: &[u8],
    stat: &Stat,
) -> Result<bool, EntryError> {
    hiding::is_whiteout(parent, name, stat).context("read the attributes of the existing file")
}

/// Returns the permission, set-ID and sticky bits.
pub(super) fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & 0o7777
}

pub(super) fn mtime(stat: &Stat) -> Timestamp {
    Timestamp {
        seconds: stat.st_mtime,
        nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
    }
}

/// Returns a path that refers to the open file, for system calls that do not accept the file descriptor.
pub(super) fn proc_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
