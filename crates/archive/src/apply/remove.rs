//! Takes a whole tree away, however deep it is, following nothing.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, Mode};
use rustix::io::{Errno, Result};

use super::metadata;
use super::tree::{DIRECTORY, permissions};

/// Removes `name`, which may be anything, with all that is in it. That it is not there is no error.
///
/// One directory is open at a time, and its path is not followed again: on the way back up, `..` must
/// be the directory that was left.
pub(super) fn tree(at: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    if !is_left(at, name)? {
        return Ok(());
    }
    let mut here = open(at, name)?;
    // The directories above `here`, beneath `at`: what identifies each, and the name in it gone into.
    let mut above: Vec<(Identity, Vec<u8>)> = Vec::new();
    loop {
        if let Some(inner) = empty(&here)? {
            let next = open(here.as_fd(), &inner)?;
            above.push((identity(&here)?, inner));
            here = next;
            continue;
        }
        let Some((parent, name)) = above.pop() else {
            break;
        };
        here = rustix::fs::openat(&here, c"..", DIRECTORY, Mode::empty())?;
        if identity(&here)? != parent {
            return Err(Errno::STALE);
        }
        rustix::fs::unlinkat(&here, &*name, AtFlags::REMOVEDIR)?;
    }
    rustix::fs::unlinkat(at, name, AtFlags::REMOVEDIR)
}

type Identity = (u64, u64);

fn identity(fd: &OwnedFd) -> Result<Identity> {
    let stat = rustix::fs::fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Removes what is in a directory up to the first directory, and returns that one's name.
fn empty(directory: &OwnedFd) -> Result<Option<Vec<u8>>> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") && is_left(directory.as_fd(), name)? {
            return Ok(Some(name.to_vec()));
        }
    }
    Ok(None)
}

/// Unlinks `name` unless it is a directory, and says whether it is one.
fn is_left(at: BorrowedFd<'_>, name: &[u8]) -> Result<bool> {
    match rustix::fs::unlinkat(at, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(false),
        Err(Errno::ISDIR) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Opens a directory so that it can be emptied, which an ordinary user may first have to allow.
fn open(at: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    let opened = rustix::fs::openat(at, name, DIRECTORY, Mode::empty());
    let fd = match opened {
        Err(Errno::ACCESS) => {
            let held = DIRECTORY.union(rustix::fs::OFlags::PATH);
            let fd = rustix::fs::openat(at, name, held, Mode::empty())?;
            rustix::fs::chmod(metadata::path_of(fd.as_fd()), Mode::RWXU)?;
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
