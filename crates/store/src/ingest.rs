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

mod active;
mod partial;
mod progress;
mod range_writer;
mod ranges;
mod reader;
mod record;
mod retention;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use windlass_oci::Digest;

use crate::Store;
use crate::blob::DraftFile;
use crate::error::{FileError, NotWritable, impl_is_no_space};
use crate::root::fresh_name;

use active::NameClaim;
use progress::{IngestProgress, RecordDraft};
use record::{Checkpoint, PartialRecord};
use retention::partial_name;

pub(crate) use active::ActiveIngests;
pub(crate) use partial::PartialFile;
#[cfg(test)]
use partial::RECORD_SUFFIX;
pub use range_writer::{RangeHandle, RangeWriter};
pub(crate) use ranges::ByteRanges;
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

/// Why an ingest could not be started.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The store was not opened for writing.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why bytes could not be appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// More bytes than were claimed; for a whole blob, than the descriptor announced (T16).
    #[error("{digest} has more than the {size} bytes announced")]
    TooLong {
        /// The blob.
        digest: Digest,
        /// Its announced size.
        size: u64,
    },
    /// The download ended before all bytes were received.
    #[error("{digest} ended after {received} of {size} bytes")]
    TooShort {
        /// The blob.
        digest: Digest,
        /// The bytes received.
        received: u64,
        /// The bytes expected.
        size: u64,
    },
    /// The ingest was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
}

impl_is_no_space!(IngestError, AppendError);

/// Why an [`IngestReader`] stopped, as found inside its [`std::io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestStopped {
    /// [`Ingest::cancel`] was called.
    Cancelled,
    /// The writer was dropped before the last byte.
    Abandoned,
}

impl fmt::Display for IngestStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled",
            Self::Abandoned => "the download stopped before its end",
        })
    }
}

impl std::error::Error for IngestStopped {}

/// The state that writers and readers of one blob share.
#[derive(Debug)]
struct IngestShared {
    digest: Digest,
    size: u64,
    progress: Arc<IngestProgress>,
    /// The hash checkpoint that was loaded when the blob was opened.
    hashed: Option<Checkpoint>,
    file: PartialFile,
    /// Declared last, so that the name is released after the file. `None` for a second ingest of the same blob,
    /// whose file is never retained.
    taken: Option<NameClaim>,
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
        let (taken, (file, record)) = match inner.active_ingests().claim(&name) {
            Some(taken) => (Some(taken), PartialFile::find(inner, name, size)?),
            None => {
                let file = PartialFile::create(inner, fresh_name())?;
                (None, (file, PartialRecord::default()))
            }
        };
        let hashed = record.hash.clone();
        let progress = Arc::new(IngestProgress::new(size, record));
        if let Some(taken) = &taken {
            taken.attach(&progress);
        }
        let shared = Arc::new(IngestShared {
            digest: *digest,
            size,
            progress,
            hashed,
            file,
            taken,
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

impl IngestShared {
    /// Counts bytes that were appended or read towards the next early write-back.
    fn record_io(&self, bytes: u64) {
        let inner = self.file.inner();
        inner
            .write_back()
            .record_io(inner.root().dir(), inner.active_ingests(), bytes);
    }

    /// Writes the record, for the case of a crash. If this fails, more has to be downloaded again.
    fn save_record(&self, record: RecordDraft) {
        if self.taken.is_some() {
            let record = record.in_boot(self.file.inner().boot());
            if let Err(error) = self.file.write_record(&record) {
                tracing::debug!(%error, "cannot write the record of a partial blob");
            }
        }
    }

    /// Retains the file with its record for the next pull.
    fn retain(&self) -> Result<(), FileError> {
        self.file.sync()?;
        self.progress.mark_safe(&self.progress.held_ranges());
        let record = self.progress.record().in_boot(self.file.inner().boot());
        self.file.write_record(&record)?;
        self.file.sync_record()?;
        self.file.retain();
        Ok(())
    }
}

impl Drop for IngestShared {
    fn drop(&mut self) {
        let is_unused = self.taken.is_some() && !self.file.is_released();
        if is_unused
            && !self.file.is_discarded()
            && self.progress.stored_bytes() > 0
            && let Err(error) = self.retain()
        {
            tracing::warn!(path = %self.file.path().display(), %error, "cannot retain a partial blob");
        }
    }
}

impl DraftFile for IngestShared {
    fn file(&self) -> &PartialFile {
        &self.file
    }
}
