//! Reading a blob while it comes in, and the proof that it is the right one.

use std::io::{self, Read};
use std::sync::Arc;

use windlass_oci::{Digest, Hasher};

use super::IngestShared;
use super::record::Checkpoint;
use crate::BlobDraft;

/// A follower that sleeps wants at least this much when it wakes, in bytes: fewer switches between two
/// threads, at no more delay than a fraction of a millisecond on a fast line.
const MORSEL: u64 = 64 << 10;

/// Bytes that are hashed between two checkpoints.
const CHECKPOINT_EVERY: u64 = 1 << 20;

/// Reads an [`Ingest`](super::Ingest) from its first byte to its last, waiting where it must, and hashes
/// what it yields.
#[derive(Debug)]
pub struct IngestReader {
    shared: Arc<IngestShared>,
    hasher: Hasher,
    /// How far the hash is: ahead of what was read where an earlier pull has hashed before.
    hashed: u64,
    read: u64,
    noted: u64,
}

/// Why the bytes are not the blob that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not every byte was read, so the rest was not hashed.
    #[error("only {read} of the {size} bytes of {digest} were read")]
    NotAllRead {
        /// The blob.
        digest: Digest,
        /// How many bytes were read.
        read: u64,
        /// How many there are.
        size: u64,
    },
    /// The bytes hash to something else.
    #[error("the bytes that came for {expected} hash to {actual}")]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What came.
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
            noted: hashed,
            read: 0,
            shared,
        }
    }

    /// Returns how many bytes were read.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// The only way to a downloaded blob: all bytes were read, and they hash to the digest.
    pub fn verify(self) -> Result<BlobDraft, VerifyError> {
        let (digest, size) = (self.shared.digest, self.shared.size);
        if self.read < size {
            let read = self.read;
            return Err(VerifyError::NotAllRead { digest, read, size });
        }
        let actual = self.hasher.finish();
        if actual != digest {
            // Never offered again, whoever lives or dies from here on.
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
        if self.hashed - self.noted >= CHECKPOINT_EVERY {
            self.noted = self.hashed;
            self.shared.progress.add_checkpoint(Checkpoint {
                position: self.hashed,
                state: self.hasher.state(),
            });
        }
    }
}

impl Read for IngestReader {
    /// Reads what is there, up to the whole of `buffer`; sleeps while there is next to nothing. Ends at
    /// the announced size. Fails with [`IngestStopped`](super::IngestStopped) inside when the download did.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wanted = (self.shared.size - self.read).min(buffer.len() as u64);
        if self.read < self.hashed {
            // What is hashed already and what is not are told apart at this place.
            wanted = wanted.min(self.hashed - self.read);
        }
        if wanted == 0 {
            return Ok(0);
        }
        let enough = self.read + wanted.min(MORSEL);
        let there = self.shared.progress.wait_for(enough)? - self.read;
        let length = usize::try_from(there.min(wanted)).expect("not longer than the buffer");
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
