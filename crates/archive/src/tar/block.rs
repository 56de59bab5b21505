//! Reads a tar block by block, and the content that follows a header.

use crate::chunks::ChunkSource;
use crate::error::{TarError, UnpackError};

/// The size of a block in bytes. Headers and content are padded to whole blocks.
pub(crate) const BLOCK_SIZE: usize = 512;

/// One block of a tar.
pub(super) type TarBlock = [u8; BLOCK_SIZE];

/// Reads the blocks of a tar, and tracks how much content of the current entry is left.
pub(super) struct BlockReader<'a> {
    chunks: &'a mut dyn ChunkSource,
    /// The number of bytes of the current chunk that have been read.
    position: usize,
    /// The number of bytes of the tar that have been read.
    offset: u64,
    /// The offset of the current header, for errors.
    header_offset: u64,
    /// The number of content bytes that have not been read.
    content: u64,
    /// The number of bytes between the end of the content and the next block.
    padding: u64,
}

impl<'a> BlockReader<'a> {
    pub(super) fn new(chunks: &'a mut dyn ChunkSource) -> Self {
        Self {
            chunks,
            position: 0,
            offset: 0,
            header_offset: 0,
            content: 0,
            padding: 0,
        }
    }

    /// Returns the number of bytes of the tar that have been read.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the number of content bytes that have not been read.
    pub(super) fn remaining_content(&self) -> u64 {
        self.content
    }

    /// Returns whether the current header is the first one.
    pub(super) fn is_first_header(&self) -> bool {
        self.header_offset == 0
    }

    /// Returns `source` as an error at the current header.
    pub(super) fn error(&self, source: TarError) -> UnpackError {
        UnpackError::Tar {
            offset: self.header_offset,
            source,
        }
    }

    /// Sets the size of the content that follows the current block.
    pub(super) fn begin_content(&mut self, size: u64) {
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK_SIZE as u64;
    }

    /// Returns the next piece of at most `limit` bytes of content. It is empty at the end of the content.
    pub(super) fn content(&mut self, limit: u64) -> Result<&[u8], UnpackError> {
        let length = self.take(self.content.min(limit))?;
        self.content -= length as u64;
        Ok(&self.chunks.chunk()[self.position - length..self.position])
    }

    /// Skips the remaining content and the padding behind it.
    pub(super) fn skip_content(&mut self) -> Result<(), UnpackError> {
        while self.content > 0 {
            if self.is_chunk_consumed() {
                let skipped = self.chunks.skip(self.content);
                self.content -= skipped;
                self.offset += skipped;
            }
            self.content(u64::MAX)?;
        }
        while self.padding > 0 {
            // As in Go, a tar may end before the padding of its last entry.
            if self.is_chunk_consumed() && !self.next_chunk()? {
                self.padding = 0;
                return Ok(());
            }
            let length = self.available(self.padding);
            self.consume(length);
            self.padding -= length as u64;
        }
        Ok(())
    }

    /// Reads the next header. Returns `None` at the end of the tar, which is marked by two zero blocks or
    /// by the end of the data.
    pub(super) fn next_header(&mut self) -> Result<Option<TarBlock>, UnpackError> {
        self.header_offset = self.offset;
        let Some(block) = self.block()? else {
            return Ok(None);
        };
        if !is_zero(&block) {
            return Ok(Some(block));
        }
        match self.block()? {
            Some(second) if !is_zero(&second) => Err(self.error(TarError::LoneZeroBlock)),
            _ => Ok(None),
        }
    }

    /// Reads a block. Returns `None` if the tar ends before it.
    pub(super) fn block(&mut self) -> Result<Option<TarBlock>, UnpackError> {
        let mut block = [0; BLOCK_SIZE];
        let mut filled = 0;
        while filled < BLOCK_SIZE {
            if self.is_chunk_consumed() && !self.next_chunk()? {
                return match filled {
                    0 => Ok(None),
                    _ if self.is_first_header() => Err(self.error(TarError::NotTar)),
                    _ => Err(self.error(TarError::Truncated)),
                };
            }
            let length = self.available((BLOCK_SIZE - filled) as u64);
            let bytes = &self.chunks.chunk()[self.position..self.position + length];
            block[filled..filled + length].copy_from_slice(bytes);
            self.consume(length);
            filled += length;
        }
        Ok(Some(block))
    }

    /// Reads everything behind the current position.
    pub(super) fn drain(&mut self) -> Result<(), UnpackError> {
        while self.chunks.advance()? {}
        Ok(())
    }

    /// Consumes at most `limit` bytes of the current or next chunk, and returns how many.
    fn take(&mut self, limit: u64) -> Result<usize, UnpackError> {
        if limit > 0 && self.is_chunk_consumed() && !self.next_chunk()? {
            return Err(self.error(TarError::Truncated));
        }
        let length = self.available(limit);
        self.consume(length);
        Ok(length)
    }

    fn is_chunk_consumed(&self) -> bool {
        self.position == self.chunks.chunk().len()
    }

    fn next_chunk(&mut self) -> Result<bool, UnpackError> {
        self.position = 0;
        self.chunks.advance()
    }

    /// Returns how many of the next `limit` bytes are in the current chunk.
    fn available(&self, limit: u64) -> usize {
        let rest = self.chunks.chunk().len() - self.position;
        usize::try_from(limit).map_or(rest, |limit| limit.min(rest))
    }

    fn consume(&mut self, length: usize) {
        self.position += length;
        self.offset += length as u64;
    }
}

fn is_zero(block: &TarBlock) -> bool {
    block.iter().all(|&byte| byte == 0)
}
