//! Operations on files and directories relative to open handles.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::error::{FileError, FileErrorContext};

/// The flags for opening a directory.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// The mode of a directory that only its owner can reach.
pub(super) const PRIVATE: Mode = Mode::RWXU;

/// Returns the names in a directory.
pub(crate) fn list_names(
    dir: BorrowedFd<'_>,
    path: impl Fn() -> PathBuf,
) -> Result<Vec<OsString>, FileError> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir).at("list", &path)? {
        let entry = entry.at("list", &path)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Creates a directory with exactly `mode`, regardless of the umask, and opens it.
pub(crate) fn make_dir(parent: impl AsFd, name: &str, mode: Mode) -> io::Result<OwnedFd> {
    let parent = parent.as_fd();
    match rustix::fs::mkdirat(parent, name, PRIVATE) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let dir = rustix::fs::openat(parent, name, DIRECTORY, Mode::empty())?;
    rustix::fs::fchmod(&dir, mode)?;
    Ok(dir)
}

/// Renames without replacing an existing file; where the file system does not support that, checks first.
pub(crate) fn rename_new(
    from: BorrowedFd<'_>,
    old: &str,
    to: BorrowedFd<'_>,
    new: &str,
) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            match rustix::fs::statat(to, new, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Err(Errno::EXIST),
                Err(Errno::NOENT) => rustix::fs::renameat(from, old, to, new),
                Err(error) => Err(error),
            }
        }
        other => other,
    }
}

/// Returns a new, unique name.
pub(crate) fn fresh_name() -> String {
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher;
    // Each `RandomState` has other keys: 64 random bits without a dependency. The names have to be unique, not
    // secret.
    let (high, low) = (
        RandomState::new().hash_one(0),
        RandomState::new().hash_one(1),
    );
    format!("{high:016x}{low:016x}")
}
