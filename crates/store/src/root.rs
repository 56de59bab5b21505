//! The directories of a store, as open handles.
//!
//! ```text
//! ROOT/format                      "windlass store 1"
//! ROOT/lock                        flock, and its owner
//! ROOT/meta.db                     SQLite
//! ROOT/blobs/<algorithm>/<hex>
//! ROOT/layers/<algorithm>/<hex>/diff/
//! ROOT/ingest/<random>             partial blobs
//! ROOT/drafts/<random>/diff/       layers being unpacked, trees being removed
//! ROOT/unsettled                   exists while files and rows may differ
//! ROOT/empty/, ROOT/reserve
//! ```
//!
//! Files are created, moved and removed relative to these handles, and symbolic links are never followed.
//! `docs/on-disk-format.md` describes the files.

mod open;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use windlass_oci::{Algorithm, Digest};

use crate::error::{At, FileError};

pub use open::{RootError, UntrustedReason};

pub(crate) const DATABASE: &str = "meta.db";
pub(crate) const DIFF: &str = "diff";

/// Created when it is first needed: an empty layer.
pub(crate) const EMPTY: &str = "empty";

/// The socket of the daemon that owns the store.
const DAEMON: &str = "daemon.sock";
const FORMAT: &str = "format";
const LOCK: &str = "lock";
const RESERVE: &str = "reserve";
const UNSETTLED: &str = "unsettled";

/// The disk space reserved for deletions on a full disk, in bytes.
const RESERVE_SIZE: u64 = 1 << 20;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const PRIVATE: Mode = Mode::RWXU;

/// An open store directory.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    dir: OwnedFd,
    areas: [OwnedFd; StoreArea::ALL.len()],
}

/// A directory at the top of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreArea {
    Blobs,
    Layers,
    Ingest,
    Drafts,
}

/// A directory for published content: one for each algorithm in `blobs` and in `layers`.
#[derive(Debug)]
pub(crate) struct ContentDirectory {
    pub(crate) dir: OwnedFd,
    pub(crate) path: PathBuf,
}

impl StoreArea {
    pub(crate) const ALL: [Self; 4] = [Self::Blobs, Self::Layers, Self::Ingest, Self::Drafts];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Blobs => "blobs",
            Self::Layers => "layers",
            Self::Ingest => "ingest",
            Self::Drafts => "drafts",
        }
    }
}

impl Root {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    pub(crate) fn area(&self, area: StoreArea) -> BorrowedFd<'_> {
        self.areas[area as usize].as_fd()
    }

    pub(crate) fn area_path(&self, area: StoreArea) -> PathBuf {
        self.path.join(area.name())
    }

    /// Returns the path of the content `digest`, whether it exists or not.
    pub(crate) fn content_path(&self, area: StoreArea, digest: &Digest) -> PathBuf {
        let mut path = self.area_path(area);
        path.push(digest.algorithm().name());
        path.push(digest.hex());
        path
    }

    /// Opens the content directory of `algorithm`, if it exists.
    pub(crate) fn content_directory(
        &self,
        area: StoreArea,
        algorithm: Algorithm,
    ) -> Result<Option<ContentDirectory>, FileError> {
        let path = self.area_path(area).join(algorithm.name());
        match rustix::fs::openat(self.area(area), algorithm.name(), DIRECTORY, Mode::empty()) {
            Ok(dir) => Ok(Some(ContentDirectory { dir, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error).at("open", || path),
        }
    }

    /// Opens the content directory of `algorithm`; creates it durably if it does not exist.
    pub(crate) fn create_content_directory(
        &self,
        area: StoreArea,
        algorithm: Algorithm,
    ) -> Result<ContentDirectory, FileError> {
        if let Some(section) = self.content_directory(area, algorithm)? {
            return Ok(section);
        }
        let path = self.area_path(area).join(algorithm.name());
        let dir =
            make_dir(self.area(area), algorithm.name(), PRIVATE).at("create", || path.clone())?;
        rustix::fs::fsync(self.area(area)).at("sync", || self.area_path(area))?;
        Ok(ContentDirectory { dir, path })
    }

    /// Opens the file or directory `digest`.
    pub(crate) fn open_content(
        &self,
        area: StoreArea,
        digest: &Digest,
        flags: OFlags,
    ) -> Result<Option<OwnedFd>, FileError> {
        let Some(section) = self.content_directory(area, digest.algorithm())? else {
            return Ok(None);
        };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&section.dir, digest.hex(), flags, Mode::empty()) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error).at("open", || self.content_path(area, digest)),
        }
    }

    /// Waits until everything written to the file system of the store so far is on the medium.
    pub(crate) fn barrier(&self) -> Result<(), FileError> {
        rustix::fs::syncfs(&self.dir).at("sync", || self.path.clone())
    }

    /// Creates the marker: files and rows may differ from here on, which the next opening checks after a crash.
    pub(crate) fn mark_unsettled(&self) -> Result<(), FileError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::openat(&self.dir, UNSETTLED, flags, mode)
            .map(drop)
            .at("create", || self.path.join(UNSETTLED))
    }

    /// Makes the marker durable where no barrier follows.
    pub(crate) fn sync_top(&self) -> Result<(), FileError> {
        rustix::fs::fsync(&self.dir).at("sync", || self.path.clone())
    }

    /// Removes the marker: files and rows agree.
    pub(crate) fn clear_unsettled(&self) {
        if let Err(error) = rustix::fs::unlinkat(&self.dir, UNSETTLED, AtFlags::empty()) {
            tracing::debug!(%error, "cannot remove the marker; the next opening looks for leftovers");
        }
    }

    pub(crate) fn is_unsettled(&self) -> bool {
        rustix::fs::statat(&self.dir, UNSETTLED, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Releases the disk space that is reserved for deletions; returns whether there was any.
    pub(crate) fn release_reserve(&self) -> bool {
        rustix::fs::unlinkat(&self.dir, RESERVE, AtFlags::empty()).is_ok()
    }

    /// Reserves disk space for deletions on a full disk. If this fails, deletions may fail there.
    pub(crate) fn create_reserve(&self) {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let Ok(file) = rustix::fs::openat(&self.dir, RESERVE, flags, mode) else {
            return;
        };
        let reserved =
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_SIZE);
        if let Err(error) = reserved {
            tracing::debug!(%error, "cannot reserve disk space");
            self.release_reserve();
        }
    }
}

impl ContentDirectory {
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        rustix::fs::fsync(&self.dir).at("sync", || self.path.clone())
    }
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
