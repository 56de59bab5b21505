//! The decompressed tar as a sequence of buffers.

use crate::error::UnpackError;

/// The size of a buffer in bytes. It is a multiple of the tar block size, so no block is split between two
/// buffers.
pub(crate) const CHUNK_SIZE: usize = 256 << 10;

/// A tar, one chunk at a time.
pub(crate) trait ChunkSource {
    /// Returns the current chunk. It is empty before the first call of [`Self::advance`] and at the end.
    fn chunk(&self) -> &[u8];

    /// Moves to the next chunk and releases the current one. Returns whether there is a next chunk.
    fn advance(&mut self) -> Result<bool, UnpackError>;

    /// Skips at most `bytes` bytes behind the current chunk without reading them. Returns how many bytes
    /// were skipped; a source that cannot seek skips none.
    fn skip(&mut self, bytes: u64) -> u64 {
        let _ = bytes;
        0
    }
}
