//! A blob on its way in: the file is the queue between the wire and whoever reads it.
//!
//! An [`IngestWriter`] appends to a partial blob and publishes how far it is contiguous (the watermark).
//! [`Follower`]s read behind the watermark and hash what they yield, so that every compressed byte is
//! hashed while it is still in the cache. A slow reader never stalls the wire, and no byte waits in memory.

mod follower;
mod partial;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::IoSlice;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use windlass_oci::Digest;

use crate::Store;
use crate::blob::HoldsFile;
use crate::error::{FileError, NotOwner, asks_no_space};

pub use follower::{Follower, VerifyError};
pub(crate) use partial::PartialFile;

/// A partial blob. Clones are the same one; it is removed when the last of its parts is dropped.
#[derive(Clone, Debug)]
pub struct Ingest {
    shared: Arc<Shared>,
}

/// The one writer of an [`Ingest`]. Dropped before the last byte is in, it fails the followers.
#[derive(Debug)]
pub struct IngestWriter {
    shared: Arc<Shared>,
    offset: u64,
}

/// Why a blob could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The store is not ours to write to.
    #[error(transparent)]
    NotOwner(#[from] NotOwner),
    /// A path failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why bytes could not be appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// There is more than the descriptor announced (T16).
    #[error("{digest} goes on after the {size} bytes that were announced")]
    TooLong {
        /// The blob.
        digest: Digest,
        /// Its announced size.
        size: u64,
    },
    /// The end was announced before all bytes were there.
    #[error("{digest} ended after {held} of {size} bytes")]
    TooShort {
        /// The blob.
        digest: Digest,
        /// How many bytes came.
        held: u64,
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

asks_no_space!(IngestError, AppendError);

/// Why a [`Follower`] cannot go on, as found inside its [`std::io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// [`Ingest::cancel`] was called.
    Cancelled,
    /// The writer was dropped before the last byte.
    Abandoned,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled",
            Self::Abandoned => "the download stopped before its end",
        })
    }
}

impl std::error::Error for Stopped {}

/// What writer and followers share.
#[derive(Debug)]
struct Shared {
    file: PartialFile,
    digest: Digest,
    size: u64,
    progress: Mutex<Progress>,
    grown: Condvar,
}

#[derive(Debug)]
struct Progress {
    /// The watermark: every byte before it is in the file.
    held: u64,
    /// The lowest watermark that a sleeping follower waits for; waking it earlier helps nobody.
    awaited: Option<u64>,
    stopped: Option<Stopped>,
}

impl Store {
    /// Begins a blob of `size` bytes.
    pub fn ingest(
        &self,
        digest: &Digest,
        size: u64,
    ) -> Result<(Ingest, IngestWriter), IngestError> {
        let shared = Arc::new(Shared {
            file: PartialFile::create(self.owned()?)?,
            digest: *digest,
            size,
            progress: Mutex::new(Progress {
                held: 0,
                awaited: None,
                stopped: None,
            }),
            grown: Condvar::new(),
        });
        let writer = IngestWriter {
            shared: Arc::clone(&shared),
            offset: 0,
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
    pub fn received(&self) -> u64 {
        self.shared.progress().held
    }

    /// Returns a reader that starts at the first byte.
    pub fn follower(&self) -> Follower {
        Follower::new(Arc::clone(&self.shared))
    }

    /// Stops writer and followers: what they do next fails with "cancelled".
    pub fn cancel(&self) {
        self.shared.stop(Stopped::Cancelled);
    }
}

impl IngestWriter {
    /// Returns how many bytes are in: where the next request has to begin.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the announced size, in bytes.
    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// Appends `chunks`, one after the other.
    ///
    /// On an error some of the bytes may be in the file, but [`IngestWriter::offset`] has not moved, so
    /// the same bytes can be appended again.
    pub fn append(&mut self, chunks: &[IoSlice<'_>]) -> Result<(), AppendError> {
        let added = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let end = self
            .offset
            .checked_add(added)
            .filter(|end| *end <= self.size());
        let Some(end) = end else {
            let (digest, size) = (self.shared.digest, self.size());
            return Err(AppendError::TooLong { digest, size });
        };
        self.shared.file.write_at(chunks, self.offset)?;
        self.shared.publish(end)?;
        self.offset = end;
        self.shared.moved(added);
        Ok(())
    }

    /// Says that the last byte was appended.
    pub fn finish(self) -> Result<(), AppendError> {
        match (self.offset, self.size()) {
            (held, size) if held == size => Ok(()),
            (held, size) => Err(AppendError::TooShort {
                digest: self.shared.digest,
                held,
                size,
            }),
        }
    }
}

impl Drop for IngestWriter {
    fn drop(&mut self) {
        if self.offset < self.shared.size {
            self.shared.stop(Stopped::Abandoned);
        }
    }
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Nothing that runs under this lock can panic half way through a change.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that bytes were appended or read.
    fn moved(&self, bytes: u64) {
        let inner = self.file.inner();
        inner.write_back().moved(inner.root().dir(), bytes);
    }

    fn publish(&self, held: u64) -> Result<(), AppendError> {
        let mut progress = self.progress();
        if progress.stopped.is_some() {
            return Err(AppendError::Cancelled);
        }
        progress.held = held;
        if progress.awaited.is_some_and(|awaited| held >= awaited) {
            progress.awaited = None;
            self.grown.notify_all();
        }
        Ok(())
    }

    /// The first reason to stop stays.
    fn stop(&self, reason: Stopped) {
        self.progress().stopped.get_or_insert(reason);
        self.grown.notify_all();
    }
}

impl HoldsFile for Shared {
    fn file(&self) -> &PartialFile {
        &self.file
    }
}
