//! Replaces a credential file atomically, without losing concurrent changes.
//!
//! Invariants:
//! - At any time, and after a crash, the path refers to the complete old or the complete new file. The new file is
//!   written and synced beside it under a temporary name, and then renamed.
//! - windlass holds a lock on the directory from reading to renaming, so that concurrent logins do not overwrite each
//!   other. It uses `flock`, which leaves no file behind. Every process that can read the directory can lock it, so
//!   waiting for the lock has a timeout.
//! - A temporary file that a killed process has left behind contains a secret. The next process that holds the lock
//!   removes it.
//! - Docker and podman do not lock. Therefore the file is read again right before the rename; if it has changed, the
//!   edit is repeated. A change between these two system calls can still be lost.
//! - Other users can read the new file only if they could read the old one: the new file is created with mode 0600,
//!   and gets the mode of the old file only together with its owner and group.
//! - A symbolic link is preserved: its target is replaced.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Gid, Uid, fchown, flock};
use rustix::io::Errno;

use crate::locations::{self, CredentialLocation, CredentialReadError};
use crate::parse_error::CredentialParseError;

/// The number of attempts when other programs change the file.
const MAX_ATTEMPTS: usize = 10;
/// The limit on the number of symbolic links, as in the kernel.
const MAX_SYMLINKS: usize = 40;
/// The prefix of temporary names.
const PREFIX: &str = ".windlass-auth-";
/// How long to wait for the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// The time between two attempts to take the lock.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The reason why a file could not be replaced.
#[derive(Debug)]
pub(crate) enum RewriteError {
    /// The existing file cannot be used.
    File(CredentialReadError),
    /// A file operation failed.
    Io(PathBuf, io::Error),
    /// The path is a directory, a fifo or a device.
    NotAFile(PathBuf),
    /// Other programs changed the file during every attempt.
    Contended(PathBuf),
}

/// Replaces the content of the file at `path` by the result of `edit`, which receives the current content, or an empty
/// slice if the file does not exist. If `edit` returns `None`, the file is not changed. Missing directories are created
/// with access for the user only.
///
/// `edit` may be called several times; the result of the last call is written.
pub(crate) fn rewrite(
    path: &Path,
    edit: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, CredentialParseError>,
) -> Result<(), RewriteError> {
    rewrite_with_timeout(LOCK_TIMEOUT, path, edit)
}

fn rewrite_with_timeout(
    lock_timeout: Duration,
    path: &Path,
    mut edit: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, CredentialParseError>,
) -> Result<(), RewriteError> {
    let target =
        resolve_symlinks(path).map_err(|error| RewriteError::Io(path.to_owned(), error))?;
    let failed = |error| RewriteError::Io(target.clone(), error);
    let directory = directory_of(&target);
    let mut locked = None;
    for _ in 0..MAX_ATTEMPTS {
        let old = locations::read(&target).map_err(RewriteError::File)?;
        let edited = edit(old.as_deref().unwrap_or_default());
        let broken = |source| CredentialReadError::Broken {
            location: CredentialLocation::File(path.to_owned()),
            source,
        };
        let Some(new) = edited.map_err(|source| RewriteError::File(broken(source)))? else {
            return Ok(());
        };
        if new.len() as u64 > locations::MAX_FILE_SIZE {
            let location = CredentialLocation::File(path.to_owned());
            return Err(RewriteError::File(CredentialReadError::TooLarge {
                location,
            }));
        }
        if locked.is_none() {
            // Not earlier, because an edit without a change must not create the directory. The content was read
            // before the lock was taken, but it is compared below.
            locked = Some(lock(directory, lock_timeout).map_err(failed)?);
        }
        let metadata = metadata_of(&target).map_err(failed)?;
        if metadata
            .as_ref()
            .is_some_and(|metadata| !metadata.is_file())
        {
            return Err(RewriteError::NotAFile(target));
        }
        let written = write_temporary(directory, &new, metadata.as_ref()).map_err(failed)?;
        if locations::read(&target).map_err(RewriteError::File)? == old {
            return commit(written, &target, directory).map_err(failed);
        }
    }
    Err(RewriteError::Contended(target))
}

/// Writes the new content to a temporary file, with the permissions of the `old` file.
fn write_temporary(
    directory: &Path,
    bytes: &[u8],
    old: Option<&fs::Metadata>,
) -> io::Result<tempfile::NamedTempFile> {
    let mut written = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    written.write_all(bytes)?;
    match old {
        Some(old) => copy_permissions(written.as_file(), old)?,
        // Independently of the umask.
        None => written
            .as_file()
            .set_permissions(Permissions::from_mode(0o600))?,
    }
    written.as_file().sync_all()?;
    Ok(written)
}

/// Sets the owner and mode of `old` on `file`. If the owner cannot be set, only the owner gets permissions.
fn copy_permissions(file: &File, old: &fs::Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    let is_same = (new.uid(), new.gid()) == (old.uid(), old.gid());
    let (uid, gid) = (Uid::from_raw(old.uid()), Gid::from_raw(old.gid()));
    let has_owner = is_same || fchown(file, Some(uid), Some(gid)).is_ok();
    let mode = old.mode() & if has_owner { 0o777 } else { 0o700 };
    file.set_permissions(Permissions::from_mode(mode))
}

fn commit(written: tempfile::NamedTempFile, target: &Path, directory: &Path) -> io::Result<()> {
    written.persist(target).map_err(|error| error.error)?;
    // If syncing the directory fails, the old file may reappear after a crash, but the new file is in place now.
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .ok();
    Ok(())
}

/// Creates `directory` if it is missing, and waits for the lock on it.
fn lock(directory: &Path, lock_timeout: Duration) -> io::Result<File> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let handle = File::open(directory)?;
    let start = Instant::now();
    loop {
        match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                remove_leftovers(directory);
                return Ok(handle);
            }
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if start.elapsed() < lock_timeout => {
                thread::sleep(LOCK_POLL_INTERVAL);
            }
            Err(Errno::WOULDBLOCK) => {
                let reason = "another program has its directory locked";
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            // Some network file systems cannot lock directories. Changes are then only detected by comparison.
            Err(Errno::BADF | Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOLCK) => {
                return Ok(handle);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Removes the temporary files of killed processes. While the lock is held, no other process is writing one.
fn remove_leftovers(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

/// Follows the symbolic links at `path`. The target may be missing.
fn resolve_symlinks(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_SYMLINKS {
        match fs::read_link(&path) {
            // `join` with an absolute target replaces the directory.
            Ok(target) => path = directory_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(Errno::LOOP.into())
}

fn directory_of(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn metadata_of(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
