//! Removes a directory tree of any depth without following symbolic links.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::{Errno, Result};

use super::stat::{DIRECTORY, permissions, proc_path};

/// Removes `name`, which may be a file of any type or missing, and everything beneath it.
///
/// Only one directory is open at a time. No path is resolved twice: on the way up, `..` must be the directory
/// that was left on the way down.
pub(super) fn subtree(at: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    if !unlink_unless_directory(at, name)? {
        return Ok(());
    }
    let mut current = open(at, name)?;
    // The directories between `at` and `current`: the identity of each, and the name of its child on the path.
    let mut ancestors: Vec<(FileIdentity, Vec<u8>)> = Vec::new();
    loop {
        if let Some(child) = unlink_files(&current)? {
            let next = open(current.as_fd(), &child)?;
            ancestors.push((identity(&current)?, child));
            current = next;
            continue;
        }
        let Some((parent, name)) = ancestors.pop() else {
            break;
        };
        current = rustix::fs::openat(&current, c"..", DIRECTORY, Mode::empty())?;
        if identity(&current)? != parent {
            return Err(Errno::STALE);
        }
        rustix::fs::unlinkat(&current, &*name, AtFlags::REMOVEDIR)?;
    }
    rustix::fs::unlinkat(at, name, AtFlags::REMOVEDIR)
}

/// The device and inode numbers of a file.
type FileIdentity = (u64, u64);

fn identity(fd: &OwnedFd) -> Result<FileIdentity> {
    let stat = rustix::fs::fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Removes the files in a directory until it encounters a subdirectory, and returns its name.
fn unlink_files(directory: &OwnedFd) -> Result<Option<Vec<u8>>> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") && unlink_unless_directory(directory.as_fd(), name)? {
            return Ok(Some(name.to_vec()));
        }
    }
    Ok(None)
}

/// Unlinks `name` unless it is a directory. Returns whether it is one.
fn unlink_unless_directory(at: BorrowedFd<'_>, name: &[u8]) -> Result<bool> {
    match rustix::fs::unlinkat(at, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(false),
        Err(Errno::ISDIR) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Opens a directory and makes sure that its owner may read it and remove files from it.
fn open(at: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    let opened = rustix::fs::openat(at, name, DIRECTORY, Mode::empty());
    let fd = match opened {
        Err(Errno::ACCESS) => {
            let flags = DIRECTORY.union(OFlags::PATH);
            let fd = rustix::fs::openat(at, name, flags, Mode::empty())?;
            rustix::fs::chmod(proc_path(fd.as_fd()), Mode::RWXU)?;
            rustix::fs::openat(at, name, DIRECTORY, Mode::empty())?
        }
        result => result?,
    };
    let mode = permissions(&rustix::fs::fstat(&fd)?);
    if mode & 0o700 != 0o700 {
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode | 0o700))?;
    }
    Ok(fd)
}
