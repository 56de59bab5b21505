//! The directories of a store, held open.
//!
//! ```text
//! ROOT/format                      "windlass store 1"
//! ROOT/lock                        flock, and who has it
//! ROOT/meta.db                     SQLite
//! ROOT/blobs/<algorithm>/<hex>
//! ROOT/layers/<algorithm>/<hex>/diff/
//! ROOT/ingest/<random>             partial blobs
//! ROOT/drafts/<random>/diff/       layers being unpacked, trees being removed
//! ROOT/unsettled                   while files and rows are made to agree
//! ROOT/empty/, ROOT/reserve
//! ```
//!
//! Whatever is made, moved or removed is reached from these handles, and no name is followed if it turns
//! out to be a symbolic link. `docs/on-disk-format.md` explains the drawing.

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

/// Made when it is first wanted: a layer with nothing in it.
pub(crate) const EMPTY: &str = "empty";

/// The socket by which commands reach the daemon that owns the store.
const DAEMON: &str = "daemon.sock";
const FORMAT: &str = "format";
const LOCK: &str = "lock";
const RESERVE: &str = "reserve";
const UNSETTLED: &str = "unsettled";

/// How much the reserve keeps free for deleting on a full disk, in bytes.
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

/// A directory that content is published into: one for each algorithm in `blobs` and in `layers`.
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

    /// Returns where the content called `digest` is, or would be.
    pub(crate) fn content_path(&self, area: StoreArea, digest: &Digest) -> PathBuf {
        let mut path = self.area_path(area);
        path.push(digest.algorithm().name());
        path.push(digest.hex());
        path
    }

    /// Opens the section for content named by `algorithm`, if anything was ever put there.
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

    /// Opens the section for content named by `algorithm`; makes it, for good, if it is not there.
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

    /// Opens the file or directory called `digest`.
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

    /// Waits until everything written to the store's file system so far is on the medium.
    pub(crate) fn barrier(&self) -> Result<(), FileError> {
        rustix::fs::syncfs(&self.dir).at("sync", || self.path.clone())
    }

    /// Notes that files and rows may differ from here on, for whoever opens the store after a crash.
    pub(crate) fn mark_unsettled(&self) -> Result<(), FileError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::openat(&self.dir, UNSETTLED, flags, mode)
            .map(drop)
            .at("create", || self.path.join(UNSETTLED))
    }

    /// Makes the note of [`Root::mark_unsettled`] last through a power cut, where no barrier follows.
    pub(crate) fn sync_top(&self) -> Result<(), FileError> {
        rustix::fs::fsync(&self.dir).at("sync", || self.path.clone())
    }

    /// Takes back the note: files and rows agree.
    pub(crate) fn clear_unsettled(&self) {
        if let Err(error) = rustix::fs::unlinkat(&self.dir, UNSETTLED, AtFlags::empty()) {
            tracing::debug!(%error, "the next opening will look for leftovers once more");
        }
    }

    pub(crate) fn is_unsettled(&self) -> bool {
        rustix::fs::statat(&self.dir, UNSETTLED, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Gives back the room that was kept for deleting on a full disk.
    pub(crate) fn release_reserve(&self) -> bool {
        rustix::fs::unlinkat(&self.dir, RESERVE, AtFlags::empty()).is_ok()
    }

    /// Keeps some room for deleting on a full disk. Without it deleting may fail there, nothing more.
    pub(crate) fn create_reserve(&self) {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let Ok(file) = rustix::fs::openat(&self.dir, RESERVE, flags, mode) else {
            return;
        };
        let kept =
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_SIZE);
        if let Err(error) = kept {
            tracing::debug!(%error, "no room for the reserve");
            self.release_reserve();
        }
    }
}

impl ContentDirectory {
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        rustix::fs::fsync(&self.dir).at("sync", || self.path.clone())
    }
}

/// Makes a directory with exactly `mode`, whatever the umask, and opens it.
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

/// Renames without replacing anything; where the file system cannot do that, looks first.
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

/// Returns a name that nothing in the store has, had or will have.
pub(crate) fn fresh_name() -> String {
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher;
    // Each `RandomState` has other keys: 64 random bits without a dependency. They keep names apart;
    // nothing rests on their being secret.
    let (high, low) = (
        RandomState::new().hash_one(0),
        RandomState::new().hash_one(1),
    );
    format!("{high:016x}{low:016x}")
}
