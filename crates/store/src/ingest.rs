//! A blob on its way in: the file is the queue between the wire and whoever reads it.
//!
//! Who fetches claims [`RangeWriter`]s of the blob from its [`IngestWriter`] and fills each from front to back; several
//! may be filled at a time. How far the blob is contiguous is the watermark. [`IngestReader`]s read behind it and
//! hash what they yield, so that every compressed byte is hashed while it is still in the cache. A slow reader
//! never stalls the wire, and no byte waits in memory.
//!
//! What is not finished is kept: dropped, a partial blob stays on disk with a record of what is there, for the
//! next [`Store::ingest`] of the same blob, in this process or another.
//!
//! # Invariants
//! - A byte of the file is written by the one who claimed it, and never again.
//! - The record says nothing that is not so (`record.rs`).
//! - What turned out wrong is condemned: its record goes at once, and no crash brings it back.
//! - A partial blob has one owner in the process; who asks for it meanwhile gets an empty one of their own.

mod follower;
mod kept;
mod live;
mod partial;
mod piece;
mod progress;
mod ranges;
mod record;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use windlass_oci::Digest;

use crate::Store;
use crate::blob::DraftFile;
use crate::error::{FileError, NotWritable, impl_is_no_space};
use crate::root::fresh_name;

use kept::kept_name;
use live::NameClaim;
use progress::{IngestProgress, RecordDraft};
use record::{Checkpoint, PartialRecord};

pub use follower::{IngestReader, VerifyError};
pub use kept::{PartialBlob, Retention};
pub(crate) use kept::{is_kept, is_record};
pub(crate) use live::ActiveIngests;
pub(crate) use partial::PartialFile;
#[cfg(test)]
use partial::RECORD_SUFFIX;
pub use piece::{RangeHandle, RangeWriter};
pub(crate) use ranges::ByteRanges;

/// A partial blob. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Ingest {
    shared: Arc<IngestShared>,
}

/// Gives out the pieces of an [`Ingest`]. Dropped before the last byte is in, it fails the followers.
#[derive(Debug)]
pub struct IngestWriter {
    shared: Arc<IngestShared>,
}

/// Why a blob could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The store is not ours to write to.
    #[error(transparent)]
    NotWritable(#[from] NotWritable),
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why bytes could not be appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// There is more than was claimed; of a whole blob, than the descriptor announced (T16).
    #[error("{digest} goes on after the {size} bytes that were announced")]
    TooLong {
        /// The blob.
        digest: Digest,
        /// Its announced size.
        size: u64,
    },
    /// The end was announced before all bytes were there.
    #[error("{digest} ended after {received} of {size} bytes")]
    TooShort {
        /// The blob.
        digest: Digest,
        /// How many bytes came.
        received: u64,
        /// How many should have come.
        size: u64,
    },
    /// Somebody cancelled the ingest.
    #[error("cancelled")]
    Cancelled,
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
}

impl_is_no_space!(IngestError, AppendError);

/// Why a [`IngestReader`] cannot go on, as found inside its [`std::io::Error`].
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

/// What writers and followers share.
#[derive(Debug)]
struct IngestShared {
    digest: Digest,
    size: u64,
    progress: Arc<IngestProgress>,
    /// How far it was hashed when it was opened.
    hashed: Option<Checkpoint>,
    file: PartialFile,
    /// Last: the name is free when the file is left alone. Without it the file is never kept.
    taken: Option<NameClaim>,
}

impl Store {
    /// Begins a blob of `size` bytes, or goes on with what was kept of it.
    pub fn ingest(
        &self,
        digest: &Digest,
        size: u64,
    ) -> Result<(Ingest, IngestWriter), IngestError> {
        let inner = self.writable()?;
        let name = kept_name(digest, size);
        let (taken, (file, record)) = match inner.active_ingests().take(&name) {
            Some(taken) => (Some(taken), PartialFile::find(inner, name, size)?),
            None => {
                let file = PartialFile::create(inner, fresh_name())?;
                (None, (file, PartialRecord::default()))
            }
        };
        let hashed = record.hash.clone();
        let progress = Arc::new(IngestProgress::new(size, record));
        if let Some(taken) = &taken {
            taken.follow(&progress);
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
    /// Returns the digest that the bytes are to have.
    pub fn digest(&self) -> &Digest {
        &self.shared.digest
    }

    /// Returns the announced size, in bytes.
    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// Returns how many bytes are in, counted from the first without a gap.
    pub fn contiguous_bytes(&self) -> u64 {
        self.shared.progress.contiguous()
    }

    /// Returns how many bytes are in.
    pub fn stored_bytes(&self) -> u64 {
        self.shared.progress.stored_bytes()
    }

    /// Returns a reader that starts at the first byte.
    pub fn reader(&self) -> IngestReader {
        IngestReader::new(Arc::clone(&self.shared))
    }

    /// Stops writers and followers: what they do next fails with "cancelled".
    pub fn cancel(&self) {
        self.shared.progress.stop(IngestStopped::Cancelled);
    }

    /// Has nothing of it kept: it is of no use to anybody.
    pub fn discard(&self) {
        self.shared.file.discard();
    }
}

impl IngestWriter {
    /// Returns the announced size, in bytes.
    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// Returns how many bytes are in.
    pub fn stored_bytes(&self) -> u64 {
        self.shared.progress.stored_bytes()
    }

    /// Returns how many bytes are in, counted from the first without a gap.
    pub fn contiguous_bytes(&self) -> u64 {
        self.shared.progress.contiguous()
    }

    /// Returns whether every byte is in.
    pub fn is_complete(&self) -> bool {
        self.shared.progress.is_complete()
    }

    /// Claims the first stretch that is missing and that nobody fills, but no more than `most` bytes of it.
    /// `None` if there is none.
    pub fn claim(&self, most: u64) -> Option<RangeWriter> {
        let range = self.shared.progress.claim(most)?;
        Some(RangeWriter::new(Arc::clone(&self.shared), range))
    }

    /// Says that the last byte was appended.
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
    /// Notes that bytes were appended or read.
    fn record_io(&self, bytes: u64) {
        let inner = self.file.inner();
        inner
            .write_back()
            .record_io(inner.root().dir(), inner.active_ingests(), bytes);
    }

    /// Writes down what is there, for whoever comes after a crash. Without it more has to be fetched again.
    fn save_record(&self, record: RecordDraft) {
        if self.taken.is_some() {
            let record = record.in_boot(self.file.inner().boot());
            if let Err(error) = self.file.write_record(&record) {
                tracing::debug!(%error, "no record of a partial blob");
            }
        }
    }

    /// Leaves the file to the next pull, with all that is in it.
    fn keep(&self) -> Result<(), FileError> {
        self.file.sync()?;
        self.progress.mark_safe(&self.progress.held_ranges());
        let record = self.progress.record().in_boot(self.file.inner().boot());
        self.file.write_record(&record)?;
        self.file.sync_record()?;
        self.file.keep();
        Ok(())
    }
}

impl Drop for IngestShared {
    fn drop(&mut self) {
        let is_nobodys = self.taken.is_some() && !self.file.is_released();
        if is_nobodys
            && !self.file.is_discarded()
            && self.progress.stored_bytes() > 0
            && let Err(error) = self.keep()
        {
            tracing::warn!(path = %self.file.path().display(), %error, "not kept");
        }
    }
}

impl DraftFile for IngestShared {
    fn file(&self) -> &PartialFile {
        &self.file
    }
}
