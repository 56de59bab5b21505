//! The file of a partial blob.

use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{At, FileError};
use crate::root::{Area, fresh_name};
use crate::store::Inner;

/// How many chunks one system call takes (`IOV_MAX`).
const MAX_CHUNKS: usize = 1024;

/// A file in `ingest/`, removed when it is dropped (unless it was published, which moved it away).
#[derive(Debug)]
pub(crate) struct PartialFile {
    inner: Arc<Inner>,
    name: String,
    file: OwnedFd,
}

impl PartialFile {
    pub(crate) fn create(inner: &Arc<Inner>) -> Result<Self, FileError> {
        let root = inner.root();
        let name = fresh_name();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat(root.area(Area::Ingest), &name, flags, mode)
            .at("create", || root.area_path(Area::Ingest).join(&name))?;
        Ok(Self {
            inner: Arc::clone(inner),
            name,
            file,
        })
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.inner.root().area_path(Area::Ingest).join(&self.name)
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

    /// Reads some of what is at `offset`; nothing at the end.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        loop {
            match rustix::io::pread(&self.file, &mut *buffer, offset) {
                Err(Errno::INTR) => {}
                other => return other.map_err(Into::into),
            }
        }
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        let ingest = self.inner.root().area(Area::Ingest);
        match rustix::fs::unlinkat(ingest, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => tracing::warn!(path = %self.path().display(), %error, "left behind"),
        }
    }
}
