//! Removing a directory tree that may be hostile: any depth, any mode, links to anywhere.
//!
//! Everything goes through directory handles and one plain name at a time; no link is followed. Nothing
//! recurses: down to [`DEPTH`] the way back is kept as a stack of handles, and what is deeper is first
//! renamed to the top of the tree, so that neither the stack nor the number of open files depends on
//! what is removed (F3, T48).

#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::root::fresh_name;

/// How many directories are open at once.
const DEPTH: usize = 32;

/// The bytes of a block as `stat` counts them, whatever the file system's own are.
const BLOCK: u64 = 512;

/// A directory that is being emptied.
struct OpenDirectory {
    name: CString,
    dir: OwnedFd,
    entries: Dir,
    /// What it took up when it was full: some file systems shrink a directory as it empties.
    on_disk: u64,
}

/// Removes the tree called `name` in `parent`; that there is none is fine.
pub fn remove(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    remove_counting(parent, name, &mut 0)
}

/// Does what [`remove`] does, and adds to `freed` the bytes that this gives back, as `du` counts them: blocks, and
/// those of a file when its last link goes. What was removed before a failure is counted as well.
pub(crate) fn remove_counting(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    freed: &mut u64,
) -> io::Result<()> {
    let name = CString::new(name.as_bytes())?;
    let mut pending = vec![name];
    // Each round removes one subtree of at most `DEPTH` levels; deeper ones come to lie in `parent`,
    // beside it, and are removed in the rounds that follow.
    while let Some(name) = pending.pop() {
        remove_shallow(parent, name, &mut pending, freed)?;
    }
    Ok(())
}

/// Returns the bytes on the disk of what `stat` is about.
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
                let done = stack.pop().expect("the loop looked at it");
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

    /// Removes entries until one is a directory that has to be emptied first.
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

/// Unlinks `name`, unless it is a directory: then it returns `false`.
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

/// Opens a directory to empty it, and says what it takes up. An ordinary user may have to give the right to do so
/// to himself first.
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
        // Root needs no such right, and may not own what it removes.
        let _ = rustix::fs::fchmod(&dir, Mode::RWXU);
    }
    Ok((dir, on_disk(&stat)))
}

/// Makes the directory `name` readable for its owner. `chmod` would follow a link, so it goes by way of
/// a handle that cannot be one.
fn unlock(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    Ok(rustix::fs::chmod(path, Mode::RWXU)?)
}

/// Moves the directory `name` up to `top`, and returns what it is called there.
fn lift(dir: &OwnedFd, name: &CStr, top: BorrowedFd<'_>) -> io::Result<CString> {
    let lifted = CString::new(fresh_name())?;
    match rustix::fs::renameat(dir, name, top, &lifted) {
        Err(Errno::ACCESS) => {
            // A directory that changes its parent must be writable itself.
            drop(open_dir(dir.as_fd(), name)?);
            rustix::fs::renameat(dir, name, top, &lifted)?;
        }
        other => other?,
    }
    Ok(lifted)
}
