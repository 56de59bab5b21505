//! Writes a blob from bytes that arrive in order.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use windlass_oci::{Algorithm, Digest, Hasher};

use crate::Store;
use crate::blob_draft::{BlobDraft, PutError};
use crate::error::FileError;
use crate::partial_file::PartialFile;
use crate::store_root::fresh_name;

/// Writes a blob from its first byte to its last, and computes its digest. If it is dropped, the file is
/// removed.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    file: PartialFile,
    hasher: Hasher,
    written: u64,
}

impl Store {
    /// Starts a blob whose digest uses `algorithm`.
    pub fn draft_blob(&self, algorithm: Algorithm) -> Result<BlobWriter, PutError> {
        let file = PartialFile::create(self.writable()?, fresh_name())?;
        Ok(BlobWriter {
            store: self.clone(),
            file,
            hasher: Hasher::new(algorithm),
            written: 0,
        })
    }
}

impl Store {
    /// Creates an empty file without a name, on the file system of the store. Its content is freed when it is
    /// closed.
    pub fn scratch_file(&self) -> Result<File, PutError> {
        let file = PartialFile::create(self.writable()?, fresh_name())?;
        Ok(file.into_unnamed_file()?)
    }
}

impl BlobWriter {
    /// Appends some bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file.write_at(&[IoSlice::new(bytes)], self.written)?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        let inner = self.store.inner();
        let root = inner.root().dir();
        inner
            .background_sync()
            .record_io(root, inner.active_ingests(), bytes.len() as u64);
        Ok(())
    }

    /// Returns the number of bytes written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Ends the blob, with any digest.
    pub fn finish(self) -> BlobDraft {
        BlobDraft::new(self.hasher.finish(), self.written, Arc::new(self.file))
    }

    /// Ends the blob, which must have the digest `expected`.
    pub fn finish_as(self, expected: &Digest) -> Result<BlobDraft, PutError> {
        let draft = self.finish();
        if draft.digest() != expected {
            return Err(PutError::Digest {
                expected: *expected,
                actual: *draft.digest(),
            });
        }
        Ok(draft)
    }
}

/// The [`io::Error`] contains a [`FileError`].
impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
