//! The file of a partial blob, and the record beside it.

use std::fs::File;
use std::io::{IoSlice, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{FileError, FileErrorContext};
use crate::partial::{PartialRecord, RECORD_SIZE};
use crate::store_inner::StoreInner;
use crate::store_root::{StoreArea, StoreRoot};
use crate::tree;

/// The maximum of chunks for one system call (`IOV_MAX`).
const MAX_CHUNKS: usize = 1024;

/// The suffix of a record's name, after the name of the partial blob.
pub(crate) const RECORD_SUFFIX: &str = ".record";

/// A file in `ingest/`. When it is dropped it is removed with its record, unless it is retained or was moved
/// away.
#[derive(Debug)]
pub(crate) struct PartialFile {
    inner: Arc<StoreInner>,
    name: String,
    file: OwnedFd,
    record: Mutex<RecordFile>,
    /// The file was retained for the next pull or moved to `blobs/`, and is not removed on drop.
    released: AtomicBool,
}

/// Gives access to the file of a draft.
pub(crate) trait DraftFile: Send + Sync + std::fmt::Debug {
    fn file(&self) -> &PartialFile;
}

impl DraftFile for PartialFile {
    fn file(&self) -> &PartialFile {
        self
    }
}

/// The state of the record's file.
#[derive(Debug)]
enum RecordFile {
    /// It is created by the first write.
    Unopened,
    Open(OwnedFd),
    /// It was removed and is not written again.
    Removed,
}

impl PartialFile {
    /// Creates the file `name`, which must not exist.
    pub(crate) fn create(inner: &Arc<StoreInner>, name: String) -> Result<Self, FileError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let root = inner.root();
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(root.area(StoreArea::Ingest), &name, flags, mode)
            .at("create", || root.area_path(StoreArea::Ingest).join(&name))?;
        Ok(Self::of(inner, name, file))
    }

    /// Opens the partial blob `name` of a blob of `size` bytes with its record; creates an empty one if there
    /// is none with a valid record.
    pub(crate) fn find(
        inner: &Arc<StoreInner>,
        name: String,
        size: u64,
    ) -> Result<(Self, PartialRecord), FileError> {
        if let Some(found) = Self::open(inner, &name, size)? {
            return Ok(found);
        }
        let ingest = inner.root().area(StoreArea::Ingest);
        for leftover in [&name, &format!("{name}{RECORD_SUFFIX}")] {
            let path = || inner.root().area_path(StoreArea::Ingest).join(leftover);
            tree::remove(ingest, leftover.as_ref()).at("remove", path)?;
        }
        Ok((Self::create(inner, name)?, PartialRecord::default()))
    }

    /// Opens the partial blob `name` of a blob of `size` bytes with its record, if both are valid.
    fn open(
        inner: &Arc<StoreInner>,
        name: &str,
        size: u64,
    ) -> Result<Option<(Self, PartialRecord)>, FileError> {
        let root = inner.root();
        let (Some(record), Some((file, length))) = (
            read_record(root, name, size)?,
            open_regular(root, name, OFlags::RDWR)?,
        ) else {
            return Ok(None);
        };
        if length > size {
            return Ok(None);
        }
        let record = record.in_boot(inner.boot(), length);
        Ok(Some((Self::of(inner, name.to_owned(), file), record)))
    }

    fn of(inner: &Arc<StoreInner>, name: String, file: OwnedFd) -> Self {
        Self {
            inner: Arc::clone(inner),
            name,
            file,
            record: Mutex::new(RecordFile::Unopened),
            released: AtomicBool::new(false),
        }
    }

    pub(crate) fn inner(&self) -> &StoreInner {
        &self.inner
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.inner
            .root()
            .area_path(StoreArea::Ingest)
            .join(&self.name)
    }

    /// Writes all of `chunks` at `offset`.
    pub(crate) fn write_at(
        &self,
        chunks: &[IoSlice<'_>],
        mut offset: u64,
    ) -> Result<(), FileError> {
        let mut chunks = chunks.to_vec();
        let mut left = chunks.as_mut_slice();
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            let some = &left[..left.len().min(MAX_CHUNKS)];
            match rustix::io::pwritev(&self.file, some, offset) {
                Ok(0) => return Err(Errno::NOSPC).at("write", || self.path()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut left, written);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).at("write", || self.path()),
            }
        }
        Ok(())
    }

    /// Writes the record. If the process is killed meanwhile, the old or the new record remains.
    pub(crate) fn write_record(&self, record: &PartialRecord) -> Result<(), FileError> {
        let root = self.inner.root();
        let at = || root.area_path(StoreArea::Ingest).join(self.record_name());
        let mut file = self.record_file();
        if matches!(*file, RecordFile::Unopened) {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let (ingest, name) = (root.area(StoreArea::Ingest), self.record_name());
            let made = rustix::fs::openat(ingest, name, flags, Mode::RUSR | Mode::WUSR);
            *file = RecordFile::Open(made.at("create", at)?);
        }
        let RecordFile::Open(file) = &*file else {
            return Ok(());
        };
        let written = rustix::io::pwrite(file, &record.to_bytes(), 0).at("write", at)?;
        if written < RECORD_SIZE {
            return Err(Errno::NOSPC).at("write", at);
        }
        Ok(())
    }

    /// Waits until the bytes written so far are on the medium.
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        rustix::fs::fdatasync(&self.file).at("sync", || self.path())
    }

    /// Waits until the last record is on the medium.
    pub(crate) fn sync_record(&self) -> Result<(), FileError> {
        match &*self.record_file() {
            RecordFile::Open(file) => rustix::fs::fdatasync(file).at("sync", || self.path()),
            RecordFile::Unopened | RecordFile::Removed => Ok(()),
        }
    }

    /// Keeps the file and its record for the next pull.
    pub(crate) fn retain(&self) {
        self.released.store(true, Ordering::Release);
    }

    /// Removes the record, so that the file is not used again even after a crash.
    pub(crate) fn discard(&self) {
        *self.record_file() = RecordFile::Removed;
        remove(self.inner.root(), &self.record_name());
    }

    pub(crate) fn is_discarded(&self) -> bool {
        matches!(*self.record_file(), RecordFile::Removed)
    }

    /// Returns whether the file was retained or published.
    pub(crate) fn is_released(&self) -> bool {
        self.released.load(Ordering::Acquire)
    }

    /// Called when the blob is published: removes what is left of it in `ingest/`.
    pub(crate) fn mark_published(&self) {
        if !self.released.swap(true, Ordering::AcqRel) {
            remove(self.inner.root(), &self.name);
            remove(self.inner.root(), &self.record_name());
        }
    }

    /// Returns the file and removes its name.
    pub(crate) fn into_unnamed_file(self) -> Result<File, FileError> {
        let file = self.file.try_clone().at("open", || self.path())?;
        Ok(File::from(file))
    }

    /// Reads the first `length` bytes.
    pub(crate) fn read(&self, length: u64) -> Result<Vec<u8>, FileError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self
                .read_at(&mut bytes[filled..], filled as u64)
                .at("read", || self.path())?
            {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Reads bytes at `offset`; returns 0 at the end.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        loop {
            match rustix::io::pread(&self.file, &mut *buffer, offset) {
                Err(Errno::INTR) => {}
                other => return other.map_err(Into::into),
            }
        }
    }

    fn record_file(&self) -> MutexGuard<'_, RecordFile> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record_name(&self) -> String {
        format!("{}{RECORD_SUFFIX}", self.name)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !*self.released.get_mut() {
            remove(self.inner.root(), &self.name);
            remove(self.inner.root(), &self.record_name());
        }
    }
}

/// Reads the record of the partial blob `name` of a blob of `size` bytes, if there is a valid one.
pub(crate) fn read_record(
    root: &StoreRoot,
    name: &str,
    size: u64,
) -> Result<Option<PartialRecord>, FileError> {
    let record = format!("{name}{RECORD_SUFFIX}");
    let Some((file, _)) = open_regular(root, &record, OFlags::RDONLY)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let file = File::from(file);
    file.take(RECORD_SIZE as u64)
        .read_to_end(&mut bytes)
        .at("read", || root.area_path(StoreArea::Ingest).join(&record))?;
    Ok(PartialRecord::parse(&bytes, size))
}

/// Opens `name` in `ingest/` if it is a regular file, and returns its length.
fn open_regular(
    root: &StoreRoot,
    name: &str,
    flags: OFlags,
) -> Result<Option<(OwnedFd, u64)>, FileError> {
    let at = || root.area_path(StoreArea::Ingest).join(name);
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(root.area(StoreArea::Ingest), name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::LOOP | Errno::ISDIR | Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error).at("open", at),
    };
    let stat = rustix::fs::fstat(file.as_fd()).at("examine", at)?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    Ok(is_file.then_some((file, length)))
}

fn remove(root: &StoreRoot, name: &str) {
    match rustix::fs::unlinkat(root.area(StoreArea::Ingest), name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => {
            let path = root.area_path(StoreArea::Ingest).join(name);
            tracing::warn!(path = %path.display(), %error, "cannot remove a file of a partial blob");
        }
    }
}
