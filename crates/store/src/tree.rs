//! Removes a directory tree that may be hostile: with any depth, any mode, and links to anywhere.
//!
//! All operations use directory handles and one name at a time; no link is followed. Nothing recurses: down to
//! [`DEPTH`] levels the handles of the parents are kept on a stack, and deeper directories are first renamed to
//! the top of the tree, so that neither the stack nor the number of open files depends on the tree (F3, T48).

#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::store_root::fresh_name;

/// The maximum of directories that are open at once.
const DEPTH: usize = 32;

/// The unit of `st_blocks` in bytes, which does not depend on the file system.
const BLOCK: u64 = 512;

/// A directory that is being emptied.
struct OpenDirectory {
    name: CString,
    dir: OwnedFd,
    entries: Dir,
    /// Its disk space before it was emptied: some file systems shrink directories.
    on_disk: u64,
}

/// Removes the tree `name` in `parent`, if it exists.
pub fn remove(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    remove_counting(parent, name, &mut 0)
}

/// Removes like [`remove`], and adds the disk space freed to `freed`, as `du` counts it: a file counts when its
/// last link is removed. Parts that were removed before a failure count as well.
pub(crate) fn remove_counting(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    freed: &mut u64,
) -> io::Result<()> {
    let name = CString::new(name.as_bytes())?;
    let mut pending = vec![name];
    // Each round removes one subtree of at most `DEPTH` levels; deeper ones are moved into `parent` and removed
    // in later rounds.
    while let Some(name) = pending.pop() {
        remove_shallow(parent, name, &mut pending, freed)?;
    }
    Ok(())
}

/// Returns the disk space of a file or directory, in bytes.
pub(crate) fn on_disk(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0) * BLOCK
}

fn remove_shallow(
    parent: BorrowedFd<'_>,
    name: CString,
    pending: &mut Vec<CString>,
    freed: &mut u64,
) -> io::Result<()> {
    if unlink_unless_dir(parent, &name, freed)? {
        return Ok(());
    }
    let mut stack = vec![OpenDirectory::open(parent, name)?];
    loop {
        let deep = stack.len() >= DEPTH;
        let Some(frame) = stack.last_mut() else {
            return Ok(());
        };
        match frame.next_directory(freed)? {
            Some(child) if !deep => {
                let below = OpenDirectory::open(frame.dir.as_fd(), child)?;
                stack.push(below);
            }
            Some(child) => pending.push(lift(&frame.dir, &child, parent)?),
            None => {
                let done = stack.pop().expect("the loop has just examined it");
                let above = stack.last().map_or(parent, |frame| frame.dir.as_fd());
                match rustix::fs::unlinkat(above, &done.name, AtFlags::REMOVEDIR) {
                    Ok(()) => *freed += done.on_disk,
                    Err(Errno::NOENT) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

impl OpenDirectory {
    fn open(parent: BorrowedFd<'_>, name: CString) -> io::Result<Self> {
        let (dir, on_disk) = open_dir(parent, &name)?;
        let entries = Dir::read_from(&dir)?;
        Ok(Self {
            name,
            dir,
            entries,
            on_disk,
        })
    }

    /// Removes entries up to the next subdirectory, and returns that.
    fn next_directory(&mut self, freed: &mut u64) -> io::Result<Option<CString>> {
        while let Some(entry) = self.entries.read() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let is_dir = entry.file_type() == FileType::Directory;
            if is_dir || !unlink_unless_dir(self.dir.as_fd(), name, freed)? {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }
}

/// Unlinks `name` and returns true, unless it is a directory.
fn unlink_unless_dir(dir: BorrowedFd<'_>, name: &CStr, freed: &mut u64) -> io::Result<bool> {
    let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Ok(false);
    }
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) if stat.st_nlink <= 1 => *freed += on_disk(&stat),
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(true)
}

/// Opens a directory to empty it, and returns its disk space. Changes its mode if its owner may not read or
/// write it.
fn open_dir(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<(OwnedFd, u64)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(parent, name, flags, Mode::empty());
    let dir = match open() {
        Err(Errno::ACCESS) => {
            unlock(parent, name)?;
            open()?
        }
        other => other?,
    };
    let stat = rustix::fs::fstat(&dir)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    if !mode.contains(Mode::RWXU) {
        // Root does not need this, and it may fail for files of other owners.
        let _ = rustix::fs::fchmod(&dir, Mode::RWXU);
    }
    Ok((dir, on_disk(&stat)))
}

/// Makes the directory `name` accessible for its owner. `chmod` would follow a link, so this uses a handle,
/// which cannot be a link.
fn unlock(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    Ok(rustix::fs::chmod(path, Mode::RWXU)?)
}

/// Moves the directory `name` to `top`, and returns its name there.
fn lift(dir: &OwnedFd, name: &CStr, top: BorrowedFd<'_>) -> io::Result<CString> {
    let lifted = CString::new(fresh_name())?;
    match rustix::fs::renameat(dir, name, top, &lifted) {
        Err(Errno::ACCESS) => {
            // A directory that is moved to another parent must itself be writable.
            drop(open_dir(dir.as_fd(), name)?);
            rustix::fs::renameat(dir, name, top, &lifted)?;
        }
        other => other?,
    }
    Ok(lifted)
}
