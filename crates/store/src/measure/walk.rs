//! Measures a tree that may be hostile: with any depth, and links to anywhere.
//!
//! One directory is open at a time. The way back up is `..`, which is checked to be the directory that the way
//! down came through. So neither the stack nor the number of open files depends on the tree, and a directory
//! that is moved meanwhile does not lead elsewhere (F3, T48).

use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::tree::on_disk;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A directory on the way down: its identity, and the subdirectories that are left.
struct DirectoryLevel {
    identity: (u64, u64),
    left: Vec<CString>,
}

/// The sum so far, and the files with several names that it includes.
#[derive(Default)]
struct Sum {
    bytes: u64,
    linked: HashSet<(u64, u64)>,
}

/// Returns the disk space of the file or tree `name` in `parent`; 0 if it is missing.
///
/// A directory that cannot be read counts without its content.
pub(super) fn measure(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<u64> {
    let name = CString::new(name.as_bytes())?;
    let mut sum = Sum::default();
    let Some(stat) = stat(parent, &name)? else {
        return Ok(0);
    };
    sum.add(&stat);
    if !is_directory(&stat) {
        return Ok(sum.bytes);
    }
    let Some(mut dir) = enter(parent, &name)? else {
        return Ok(sum.bytes);
    };
    let mut path = vec![sum.level(&dir)?];
    while let Some(level) = path.last_mut() {
        if let Some(child) = level.left.pop() {
            if let Some(below) = enter(dir.as_fd(), &child)? {
                path.push(sum.level(&below)?);
                dir = below;
            }
            continue;
        }
        path.pop();
        let Some(above) = path.last() else { break };
        let up = rustix::fs::openat(&dir, "..", DIRECTORY, Mode::empty())?;
        if identity(&rustix::fs::fstat(&up)?) != above.identity {
            return Err(io::Error::other(
                "a directory was moved while it was measured",
            ));
        }
        dir = up;
    }
    Ok(sum.bytes)
}

impl Sum {
    fn add(&mut self, stat: &Stat) {
        let is_shared = !is_directory(stat) && stat.st_nlink > 1;
        if !is_shared || self.linked.insert(identity(stat)) {
            self.bytes += on_disk(stat);
        }
    }

    /// Adds the entries of `dir`, and returns its subdirectories.
    fn level(&mut self, dir: &OwnedFd) -> io::Result<DirectoryLevel> {
        let mut left = Vec::new();
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Some(stat) = stat(dir.as_fd(), name)? else {
                continue;
            };
            self.add(&stat);
            if is_directory(&stat) {
                left.push(name.to_owned());
            }
        }
        let identity = identity(&rustix::fs::fstat(dir)?);
        Ok(DirectoryLevel { identity, left })
    }
}

fn stat(dir: BorrowedFd<'_>, name: &std::ffi::CStr) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens a directory, unless it is gone or cannot be read.
fn enter(dir: BorrowedFd<'_>, name: &CString) -> io::Result<Option<OwnedFd>> {
    let opened = rustix::fs::openat(dir, name, DIRECTORY, Mode::empty()).and_then(|dir| {
        // Checks that its entries, and the way back, can be looked up.
        rustix::fs::statat(&dir, "..", AtFlags::SYMLINK_NOFOLLOW).map(|_| dir)
    });
    match opened {
        Ok(dir) => Ok(Some(dir)),
        Err(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}
