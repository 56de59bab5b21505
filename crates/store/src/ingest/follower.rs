//! Reading a blob while it comes in, and the proof that it is the right one.

use std::io::{self, Read};
use std::sync::{Arc, PoisonError};

use windlass_oci::{Digest, Hasher};

use super::Shared;
use crate::BlobDraft;

/// A follower that sleeps wants at least this much when it wakes, in bytes: fewer switches between two
/// threads, at no more delay than a fraction of a millisecond on a fast line.
const MORSEL: u64 = 64 << 10;

/// Reads an [`Ingest`](super::Ingest) from its first byte to its last, waiting where it must, and hashes
/// what it yields.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    hasher: Hasher,
    read: u64,
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

impl Follower {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            hasher: Hasher::new(shared.digest.algorithm()),
            shared,
            read: 0,
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
            let expected = digest;
            return Err(VerifyError::Digest { expected, actual });
        }
        Ok(BlobDraft::new(digest, size, self.shared))
    }

    /// Waits until there is something to read, and returns how far.
    fn watermark(&self, wanted: u64) -> io::Result<u64> {
        let enough = self.read + wanted.min(MORSEL);
        let mut progress = self.shared.progress();
        loop {
            if let Some(reason) = progress.stopped {
                return Err(io::Error::other(reason));
            }
            if progress.held >= enough {
                return Ok(progress.held);
            }
            progress.awaited = Some(progress.awaited.map_or(enough, |other| other.min(enough)));
            let grown = self.shared.grown.wait(progress);
            progress = grown.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Read for Follower {
    /// Reads what is there, up to the whole of `buffer`; sleeps while there is next to nothing. Ends at
    /// the announced size. Fails with [`Stopped`](super::Stopped) inside when the download did.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = (self.shared.size - self.read).min(buffer.len() as u64);
        if wanted == 0 {
            return Ok(0);
        }
        let there = self.watermark(wanted)? - self.read;
        let length = usize::try_from(there.min(wanted)).expect("not longer than the buffer");
        let length = self.shared.file.read_at(&mut buffer[..length], self.read)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hasher.update(&buffer[..length]);
        self.read += length as u64;
        self.shared.moved(length as u64);
        Ok(length)
    }
}
