//! Reads a blob while it is downloaded, and verifies its digest.

use std::io::{self, Read};
use std::sync::Arc;

use windlass_oci::{Digest, Hasher};

use super::shared::IngestShared;
use crate::BlobDraft;
use crate::partial::Checkpoint;

/// A sleeping reader is woken when at least this many bytes are available: fewer switches between two threads,
/// for a delay of a fraction of a millisecond on a fast connection.
const WAKE_BYTES: u64 = 64 << 10;

/// The number of bytes hashed between two checkpoints.
const CHECKPOINT_EVERY: u64 = 1 << 20;

/// Reads an [`Ingest`](super::Ingest) from its first byte to its last, waits for bytes that are not there yet,
/// and hashes what it returns.
#[derive(Debug)]
pub struct IngestReader {
    shared: Arc<IngestShared>,
    hasher: Hasher,
    /// The number of bytes hashed: ahead of `read` if an earlier pull saved a checkpoint.
    hashed: u64,
    read: u64,
    last_checkpoint: u64,
}

/// Why a blob could not be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not every byte was read, so the rest was not hashed.
    #[error("only {read} of the {size} bytes of {digest} were read")]
    NotAllRead {
        /// The blob.
        digest: Digest,
        /// The number of bytes read.
        read: u64,
        /// The size of the blob.
        size: u64,
    },
    /// The bytes hash to something else.
    #[error("the bytes received for {expected} have the digest {actual}")]
    Digest {
        /// The expected digest.
        expected: Digest,
        /// The digest of the bytes received.
        actual: Digest,
    },
}

impl IngestReader {
    pub(super) fn new(shared: Arc<IngestShared>) -> Self {
        let algorithm = shared.digest.algorithm();
        let (hashed, hasher) = { shared.hashed.as_ref() }
            .and_then(|before| Some((before.position, before.hasher(algorithm)?)))
            .unwrap_or_else(|| (0, Hasher::new(algorithm)));
        Self {
            hasher,
            hashed,
            last_checkpoint: hashed,
            read: 0,
            shared,
        }
    }

    /// Returns how many bytes were read.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// Returns the verified blob, if all bytes were read and hash to the digest. There is no other way to a
    /// downloaded blob.
    pub fn verify(self) -> Result<BlobDraft, VerifyError> {
        let (digest, size) = (self.shared.digest, self.shared.size);
        if self.read < size {
            let read = self.read;
            return Err(VerifyError::NotAllRead { digest, read, size });
        }
        let actual = self.hasher.finish();
        if actual != digest {
            // From here on a crash must not restore the bytes.
            self.shared.file.discard();
            let expected = digest;
            return Err(VerifyError::Digest { expected, actual });
        }
        Ok(BlobDraft::new(digest, size, self.shared))
    }

    fn hash(&mut self, bytes: &[u8]) {
        let Some(new) = self.read.checked_sub(self.hashed) else {
            return;
        };
        debug_assert_eq!(new, 0, "the hash is never behind");
        self.hasher.update(bytes);
        self.hashed += bytes.len() as u64;
        if self.hashed - self.last_checkpoint >= CHECKPOINT_EVERY {
            self.last_checkpoint = self.hashed;
            self.shared.progress.add_checkpoint(Checkpoint {
                position: self.hashed,
                state: self.hasher.state(),
            });
        }
    }
}

impl Read for IngestReader {
    /// Reads the bytes that are available, up to the size of `buffer`; waits while there are few. Ends at the
    /// announced size. If the download stops, fails with an [`IngestStopped`](crate::IngestStopped) inside the
    /// error.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut requested = (self.shared.size - self.read).min(buffer.len() as u64);
        if self.read < self.hashed {
            // One call does not cross from bytes that are already hashed to bytes that are not.
            requested = requested.min(self.hashed - self.read);
        }
        if requested == 0 {
            return Ok(0);
        }
        let enough = self.read + requested.min(WAKE_BYTES);
        let available = self.shared.progress.wait_for(enough)? - self.read;
        let length = usize::try_from(available.min(requested)).expect("not longer than the buffer");
        let length = self.shared.file.read_at(&mut buffer[..length], self.read)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hash(&buffer[..length]);
        self.read += length as u64;
        self.shared.record_io(length as u64);
        Ok(length)
    }
}
