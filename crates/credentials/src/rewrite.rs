//! Replaces a credential file, so that nobody ever sees half of one and no change is lost.
//!
//! Invariants:
//! - Under the path is, at any moment and after a crash, the old file or the new one, whole. The new one is
//!   written and synced beside it, under a name that nothing reads, and renamed.
//! - Windlass changes a file only while it holds the lock on the directory (`flock`, which leaves no file
//!   behind), from reading to renaming: of two logins at once, the second sees what the first wrote. Anybody
//!   who can read the directory can lock it, so the wait has an end.
//! - What a login that was killed left beside the file has a secret: the next who holds the lock removes it.
//! - Docker and podman know no lock. So the file is read again right before the renaming, and if it is
//!   another than the one that was changed, all is done anew. (What is left is the time of one system call.)
//! - The secret is never in a file that others can read, unless they could read the old one: the new file
//!   begins with mode 0600, and gets the mode of the old one only with its owner and group.
//! - A symlink is followed, and stays: what it leads to is replaced.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Gid, Uid, fchown, flock};
use rustix::io::Errno;

use crate::file::CredentialParseError;
use crate::places::{self, CredentialLocation, CredentialReadError};

/// How often others may change the file while it is being changed.
const ATTEMPTS: usize = 10;
/// As many symlinks as the kernel follows.
const SYMLINKS: usize = 40;
/// How the names of files that are being written begin.
const PREFIX: &str = ".windlass-auth-";
/// How long to wait for the lock, and how often to try.
const LOCK: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(20));

/// Why a file could not be replaced.
#[derive(Debug)]
pub(crate) enum RewriteError {
    /// What is there is of no use.
    File(CredentialReadError),
    /// Something could not be done to a path.
    Io(PathBuf, io::Error),
    /// It is a directory, a pipe or a device.
    NotAFile(PathBuf),
    /// Others change it all the time.
    Contended(PathBuf),
}

/// Replaces the file at `path` by what `edit` makes of its bytes (none if there is no file), unless that is
/// `None`. Directories that are missing are made, for the user alone.
///
/// `edit` may be called several times; the last call counts.
pub(crate) fn rewrite(
    path: &Path,
    edit: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, CredentialParseError>,
) -> Result<(), RewriteError> {
    rewrite_within(LOCK.0, path, edit)
}

fn rewrite_within(
    patience: Duration,
    path: &Path,
    mut edit: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, CredentialParseError>,
) -> Result<(), RewriteError> {
    let target = followed(path).map_err(|error| RewriteError::Io(path.to_owned(), error))?;
    let failed = |error| RewriteError::Io(target.clone(), error);
    let directory = directory_of(&target);
    let mut locked = None;
    for _ in 0..ATTEMPTS {
        let old = places::read(&target).map_err(RewriteError::File)?;
        let edited = edit(old.as_deref().unwrap_or_default());
        let broken = |source| CredentialReadError::Broken {
            place: CredentialLocation::File(path.to_owned()),
            source,
        };
        let Some(new) = edited.map_err(|source| RewriteError::File(broken(source)))? else {
            return Ok(());
        };
        if new.len() as u64 > places::LARGEST {
            let place = CredentialLocation::File(path.to_owned());
            return Err(RewriteError::File(CredentialReadError::TooLarge { place }));
        }
        if locked.is_none() {
            // Only now, since what changes nothing makes no directory. What was read before the lock was
            // had is compared below like everything else.
            locked = Some(lock(directory, patience).map_err(failed)?);
        }
        let metadata = metadata_of(&target).map_err(failed)?;
        if metadata
            .as_ref()
            .is_some_and(|metadata| !metadata.is_file())
        {
            return Err(RewriteError::NotAFile(target));
        }
        let written = write(directory, &new, metadata.as_ref()).map_err(failed)?;
        if places::read(&target).map_err(RewriteError::File)? == old {
            return commit(written, &target, directory).map_err(failed);
        }
    }
    Err(RewriteError::Contended(target))
}

fn write(
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
        Some(old) => take_after(written.as_file(), old)?,
        // Whatever the umask left of it.
        None => written
            .as_file()
            .set_permissions(Permissions::from_mode(0o600))?,
    }
    written.as_file().sync_all()?;
    Ok(written)
}

/// Gives `file` the owner and the mode of `old`; where it may not have the owner, nobody else's rights.
fn take_after(file: &File, old: &fs::Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    let is_same = (new.uid(), new.gid()) == (old.uid(), old.gid());
    let (uid, gid) = (Uid::from_raw(old.uid()), Gid::from_raw(old.gid()));
    let kept = is_same || fchown(file, Some(uid), Some(gid)).is_ok();
    let mode = old.mode() & if kept { 0o777 } else { 0o700 };
    file.set_permissions(Permissions::from_mode(mode))
}

fn commit(written: tempfile::NamedTempFile, target: &Path, directory: &Path) -> io::Result<()> {
    written.persist(target).map_err(|error| error.error)?;
    // The file is in its place: that it may be the old one after a crash is no reason to say that it is not.
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .ok();
    Ok(())
}

/// Makes `directory` if it is missing, and waits until it can be locked.
fn lock(directory: &Path, patience: Duration) -> io::Result<File> {
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
            Err(Errno::WOULDBLOCK) if start.elapsed() < patience => thread::sleep(LOCK.1),
            Err(Errno::WOULDBLOCK) => {
                let reason = "another program has its directory locked";
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            // Some network file systems do not lock directories. What is left is the comparison.
            Err(Errno::BADF | Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOLCK) => {
                return Ok(handle);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Removes what was being written when its writer was killed. Nobody is writing now.
fn remove_leftovers(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

/// Follows the symlinks at `path` to what they lead to, which need not be there.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..SYMLINKS {
        match fs::read_link(&path) {
            // An absolute target replaces the directory.
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
