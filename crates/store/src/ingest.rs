//! Blobs while they are downloaded. The file of a partial blob is the queue between the network and its
//! readers.
//!
//! A download claims ranges of the blob from its [`IngestWriter`], as [`RangeWriter`]s, and fills each from
//! front to back; several may be filled at a time. The watermark is the end of the contiguous bytes from the
//! start. [`IngestReader`]s follow the watermark and hash the bytes that they return, so that every compressed
//! byte is hashed while it is in the cache. A slow reader does not delay the network, and no bytes wait in
//! memory.
//!
//! An unfinished blob is retained: when it is dropped, it stays on disk with a record of the bytes that are
//! present, for the next [`Store::ingest`] of the same blob in any process.
//!
//! # Invariants
//! - Each byte of the file is written once, by the writer that claimed it.
//! - The record never claims more than the file has (`record.rs`).
//! - A blob with wrong bytes is discarded: its record is removed at once, so that a crash does not bring it
//!   back.
//! - A partial blob has one owner in the process; a second ingest of the same blob starts with an empty file of
//!   its own.

mod error;
mod range_writer;
mod reader;
mod retention;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use windlass_oci::Digest;

use crate::Store;
use crate::partial::{IngestProgress, IngestStopped, PartialRecord};
use crate::partial_file::PartialFile;
use crate::store_root::fresh_name;

use retention::partial_name;
use shared::IngestShared;

pub use error::{AppendError, IngestError};
pub use range_writer::{RangeHandle, RangeWriter};
pub use reader::{IngestReader, VerifyError};
pub use retention::{PartialBlob, Retention};
pub(crate) use retention::{is_record, is_valid_partial};

/// A blob that is being downloaded. Clones share one blob.
#[derive(Clone, Debug)]
pub struct Ingest {
    shared: Arc<IngestShared>,
}

/// Hands out ranges of an [`Ingest`] to fill. If it is dropped before the last byte is written, the readers
/// fail.
#[derive(Debug)]
pub struct IngestWriter {
    shared: Arc<IngestShared>,
}

impl Store {
    /// Starts a blob of `size` bytes, or continues the partial blob that an earlier pull left.
    pub fn ingest(
        &self,
        digest: &Digest,
        size: u64,
    ) -> Result<(Ingest, IngestWriter), IngestError> {
        let inner = self.writable()?;
        let name = partial_name(digest, size);
        let (name_claim, (file, record)) = match inner.active_ingests().claim(&name) {
            Some(name_claim) => (Some(name_claim), PartialFile::find(inner, name, size)?),
            None => {
                let file = PartialFile::create(inner, fresh_name())?;
                (None, (file, PartialRecord::default()))
            }
        };
        let hashed = record.hash.clone();
        let progress = Arc::new(IngestProgress::new(size, record));
        if let Some(name_claim) = &name_claim {
            name_claim.attach(&progress);
        }
        let shared = Arc::new(IngestShared {
            digest: *digest,
            size,
            progress,
            hashed,
            file,
            name_claim,
        });
        let writer = IngestWriter {
            shared: Arc::clone(&shared),
        };
        Ok((Ingest { shared }, writer))
    }
}

impl Ingest {
    /// Returns the expected digest.
    pub fn digest(&self) -> &Digest {
        &self.shared.digest
    }

    /// Returns the announced size, in bytes.
    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// Returns the number of bytes from the start up to the first gap.
    pub fn contiguous_bytes(&self) -> u64 {
        self.shared.progress.contiguous()
    }

    /// Returns the number of bytes in the file, in all ranges.
    pub fn stored_bytes(&self) -> u64 {
        self.shared.progress.stored_bytes()
    }

    /// Returns a reader that starts at the first byte.
    pub fn reader(&self) -> IngestReader {
        IngestReader::new(Arc::clone(&self.shared))
    }

    /// Stops writers and readers: their next operation fails with "cancelled".
    pub fn cancel(&self) {
        self.shared.progress.stop(IngestStopped::Cancelled);
    }

    /// Removes the blob when it is dropped, instead of retaining it for the next pull.
    pub fn discard(&self) {
        self.shared.file.discard();
    }
}

impl IngestWriter {
    /// Returns the announced size, in bytes.
    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// Returns the number of bytes in the file, in all ranges.
    pub fn stored_bytes(&self) -> u64 {
        self.shared.progress.stored_bytes()
    }

    /// Returns the number of bytes from the start up to the first gap.
    pub fn contiguous_bytes(&self) -> u64 {
        self.shared.progress.contiguous()
    }

    /// Returns whether all bytes are in the file.
    pub fn is_complete(&self) -> bool {
        self.shared.progress.is_complete()
    }

    /// Claims the first range that is neither present nor claimed, up to `most` bytes of it. Returns `None` if
    /// there is none.
    pub fn claim(&self, most: u64) -> Option<RangeWriter> {
        let range = self.shared.progress.claim(most)?;
        Some(RangeWriter::new(Arc::clone(&self.shared), range))
    }

    /// Ends the download; fails if bytes are missing.
    pub fn finish(self) -> Result<(), AppendError> {
        if self.is_complete() {
            return Ok(());
        }
        Err(AppendError::TooShort {
            digest: self.shared.digest,
            received: self.stored_bytes(),
            size: self.size(),
        })
    }
}

impl Drop for IngestWriter {
    fn drop(&mut self) {
        if !self.is_complete() {
            self.shared.progress.stop(IngestStopped::Abandoned);
        }
    }
}
