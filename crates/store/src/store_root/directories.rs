//! The directories of a store, as open handles.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use windlass_oci::{Algorithm, Digest};

use super::entry_name::{DATABASE, RESERVE, UNSETTLED};
use super::file_operation::{DIRECTORY, PRIVATE, make_dir};
use crate::error::{FileError, FileErrorContext};

/// The disk space reserved for deletions on a full disk, in bytes.
const RESERVE_SIZE: u64 = 1 << 20;

/// The open root directory of a store, and the directories in it.
#[derive(Debug)]
pub(crate) struct StoreRoot {
    pub(super) path: PathBuf,
    pub(super) dir: OwnedFd,
    pub(super) areas: [OwnedFd; StoreArea::ALL.len()],
    /// Whether this process has given the store format 2.
    pub(super) has_format_2: Mutex<bool>,
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

impl StoreRoot {
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
        if let Some(directory) = self.content_directory(area, algorithm)? {
            return Ok(directory);
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
        let Some(directory) = self.content_directory(area, digest.algorithm())? else {
            return Ok(None);
        };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&directory.dir, digest.hex(), flags, Mode::empty()) {
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
