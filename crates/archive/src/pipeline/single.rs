//! Decompresses, hashes and applies on the calling thread.

use std::io::Read;

use windlass_oci::{Digest, Hasher};

use super::limit::TarLimit;
use crate::chunks::ChunkSource;
use crate::decompress::Decoder;
use crate::error::UnpackError;
use crate::progress::UnpackProgress;

/// Decompresses and hashes a chunk when it is needed.
pub(super) struct SingleThreaded<'a, R> {
    decoder: Decoder<R>,
    hasher: Hasher,
    buffer: Vec<u8>,
    /// The length of the chunk in `buffer`.
    length: usize,
    position: ChunkPosition,
    limit: TarLimit,
    progress: &'a UnpackProgress,
}

/// The position in the sequence of chunks.
enum ChunkPosition {
    /// Before the first chunk, which is in the buffer.
    BeforeFirst,
    /// At the chunk in the buffer.
    AtChunk,
    End,
}

impl<'a, R: Read> SingleThreaded<'a, R> {
    /// Creates a source whose `first` chunk has been read, and counted by `limit`, already.
    pub(super) fn new(
        decoder: Decoder<R>,
        first: Vec<u8>,
        hasher: Hasher,
        limit: TarLimit,
        progress: &'a UnpackProgress,
    ) -> Self {
        Self {
            decoder,
            hasher,
            length: first.len(),
            buffer: first,
            position: ChunkPosition::BeforeFirst,
            limit,
            progress,
        }
    }

    /// Returns the digest of all chunks.
    pub(super) fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

impl<R: Read> ChunkSource for SingleThreaded<'_, R> {
    fn chunk(&self) -> &[u8] {
        match self.position {
            ChunkPosition::BeforeFirst | ChunkPosition::End => &[],
            ChunkPosition::AtChunk => &self.buffer[..self.length],
        }
    }

    fn advance(&mut self) -> Result<bool, UnpackError> {
        match self.position {
            ChunkPosition::BeforeFirst => {}
            ChunkPosition::AtChunk => {
                self.progress.add_tar_bytes(self.length);
                self.length = self.decoder.fill(&mut self.buffer)?;
                self.limit.add(self.length)?;
            }
            ChunkPosition::End => return Ok(false),
        }
        self.hasher.update(&self.buffer[..self.length]);
        self.position = match self.length {
            0 => ChunkPosition::End,
            _ => ChunkPosition::AtChunk,
        };
        Ok(self.length > 0)
    }
}
