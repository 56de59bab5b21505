//! Reads a tar: POSIX ustar and PAX, GNU, and the old form before both.
//!
//! What is ambiguous is refused, and where implementations differ, what Go's `archive/tar` does is
//! done, for that is what made and reads most layers (hardening T13). No header needs more memory
//! than [`UnpackLimits::header_bytes`].

mod entry;
mod header;
mod number;
mod pax;
mod sparse;

use crate::error::{TarError, UnpackError};
use crate::options::UnpackLimits;
use crate::pipeline::Chunks;

pub(crate) use entry::{Entry, Kind, Time};
pub(crate) use sparse::{Segment, Sparse};

use header::{Block, Header};

pub(crate) const BLOCK: usize = 512;

/// Reads entries, and the content of the entry last read.
pub(crate) struct TarReader<'a> {
    chunks: &'a mut dyn Chunks,
    /// How much of the current chunk is read.
    at: usize,
    /// How much of the tar is read.
    offset: u64,
    /// Where the header or block that is being read begins, for errors.
    header_offset: u64,
    /// Content of the current entry not yet read.
    content: u64,
    /// Bytes from its end to the next block.
    padding: u64,
    header_limit: usize,
}

impl<'a> TarReader<'a> {
    pub(crate) fn new(chunks: &'a mut dyn Chunks, limits: &UnpackLimits) -> Self {
        Self {
            chunks,
            at: 0,
            offset: 0,
            header_offset: 0,
            content: 0,
            padding: 0,
            header_limit: limits.header_bytes,
        }
    }

    /// Reads over what is left of the current entry, and then the next one into `entry`; says whether
    /// there was one.
    pub(crate) fn next(&mut self, entry: &mut Entry) -> Result<bool, UnpackError> {
        self.skip_content()?;
        entry.clear();
        let mut extended = false;
        loop {
            let block = match self.next_block()? {
                Some(block) => block,
                None if extended => return Err(self.error(TarError::Orphan)),
                None => return Ok(false),
            };
            let header = match Header::parse(&block) {
                Ok(header) => header,
                Err(TarError::Checksum) if self.header_offset == 0 => {
                    return Err(self.error(TarError::NotTar));
                }
                Err(error) => return Err(self.error(error)),
            };
            match header.flag() {
                b'x' => self.read_extension(&header, &mut entry.pax, "PAX")?,
                b'L' => self.read_extension(&header, &mut entry.gnu_path, "GNU long name")?,
                b'K' => self.read_extension(&header, &mut entry.gnu_link, "GNU long link")?,
                b'g' => {
                    self.read_global(&header)?;
                    continue;
                }
                _ => {
                    self.read_entry(&header, entry)?;
                    return Ok(true);
                }
            }
            self.check_extensions(entry)?;
            extended = true;
        }
    }

    /// Returns the next piece of the current entry's content; empty at its end.
    pub(crate) fn content(&mut self) -> Result<&[u8], UnpackError> {
        let length = self.piece(self.content)?;
        self.content -= length as u64;
        Ok(&self.chunks.chunk()[self.at - length..self.at])
    }

    /// Returns at most `limit` bytes of the current entry's content; empty at its end.
    pub(crate) fn content_up_to(&mut self, limit: u64) -> Result<&[u8], UnpackError> {
        let length = self.piece(self.content.min(limit))?;
        self.content -= length as u64;
        Ok(&self.chunks.chunk()[self.at - length..self.at])
    }

    /// Reads over all that follows the tar's end.
    pub(crate) fn drain(&mut self) -> Result<(), UnpackError> {
        while self.chunks.advance()? {}
        Ok(())
    }

    fn error(&self, source: TarError) -> UnpackError {
        UnpackError::Tar {
            offset: self.header_offset,
            source,
        }
    }

    /// Reads the fields of an entry, by its header and what preceded it.
    fn read_entry(&mut self, header: &Header<'_>, entry: &mut Entry) -> Result<(), UnpackError> {
        entry.fill(header).map_err(|source| self.error(source))?;
        self.begin_content(entry.size);
        if entry.sparse.is_some() {
            self.read_sparse_map(header, entry)?;
        }
        Ok(())
    }

    /// Reads the content of an extension header into `buffer`, which must be empty.
    fn read_extension(
        &mut self,
        header: &Header<'_>,
        buffer: &mut Option<Vec<u8>>,
        kind: &'static str,
    ) -> Result<(), UnpackError> {
        if buffer.is_some() {
            return Err(self.error(TarError::Duplicate { kind }));
        }
        *buffer = Some(self.read_small(header)?);
        Ok(())
    }

    /// Reads a global PAX header. Its defaults are not applied, as in the reference; what would change
    /// which bytes are content, or where they go, is refused.
    fn read_global(&mut self, header: &Header<'_>) -> Result<(), UnpackError> {
        let records = self.read_small(header)?;
        pax::check_global(&records).map_err(|source| self.error(source))
    }

    fn read_small(&mut self, header: &Header<'_>) -> Result<Vec<u8>, UnpackError> {
        let size = header.size().map_err(|source| self.error(source))?;
        let limit = self.header_limit;
        let too_large = TarError::HeaderTooLarge { limit };
        let length = usize::try_from(size).ok().filter(|&length| length <= limit);
        let length = length.ok_or_else(|| self.error(too_large))?;
        self.begin_content(size);
        let mut buffer = Vec::with_capacity(length);
        while self.content > 0 {
            buffer.extend_from_slice(self.content()?);
        }
        self.skip_content()?;
        Ok(buffer)
    }

    fn check_extensions(&self, entry: &Entry) -> Result<(), UnpackError> {
        let limit = self.header_limit;
        if entry.extension_bytes() > limit {
            return Err(self.error(TarError::HeaderTooLarge { limit }));
        }
        Ok(())
    }

    fn begin_content(&mut self, size: u64) {
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    /// Returns how much of the tar was read: where the content of the entry last read begins, as long as none of
    /// it is read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    fn skip_content(&mut self) -> Result<(), UnpackError> {
        while self.content > 0 {
            if self.at == self.chunks.chunk().len() {
                let skipped = self.chunks.skip(self.content);
                self.content -= skipped;
                self.offset += skipped;
            }
            self.content()?;
        }
        while self.padding > 0 {
            // As in Go, a tar may end before the last entry's padding.
            if self.at == self.chunks.chunk().len() && !self.chunks_advance()? {
                self.padding = 0;
                return Ok(());
            }
            let length = self.rest_of_chunk(self.padding);
            self.skip(length);
            self.padding -= length as u64;
        }
        Ok(())
    }

    /// Reads the next header; none at the end, which is two zero blocks or nothing more.
    fn next_block(&mut self) -> Result<Option<Block>, UnpackError> {
        self.header_offset = self.offset;
        let Some(block) = self.block()? else {
            return Ok(None);
        };
        if !header::is_zero(&block) {
            return Ok(Some(block));
        }
        match self.block()? {
            Some(second) if !header::is_zero(&second) => Err(self.error(TarError::LoneZeroBlock)),
            _ => Ok(None),
        }
    }

    /// Reads a block; none if the tar ends before it.
    fn block(&mut self) -> Result<Option<Block>, UnpackError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            if self.at == self.chunks.chunk().len() && !self.chunks_advance()? {
                return match filled {
                    0 => Ok(None),
                    _ if self.header_offset == 0 => Err(self.error(TarError::NotTar)),
                    _ => Err(self.error(TarError::Truncated)),
                };
            }
            let length = self.rest_of_chunk((BLOCK - filled) as u64);
            let bytes = &self.chunks.chunk()[self.at..self.at + length];
            block[filled..filled + length].copy_from_slice(bytes);
            self.skip(length);
            filled += length;
        }
        Ok(Some(block))
    }

    /// Steps over the next bytes of which at most `wanted` are wanted, and returns how many these are.
    fn piece(&mut self, wanted: u64) -> Result<usize, UnpackError> {
        if wanted > 0 && self.at == self.chunks.chunk().len() && !self.chunks_advance()? {
            return Err(self.error(TarError::Truncated));
        }
        let length = self.rest_of_chunk(wanted);
        self.skip(length);
        Ok(length)
    }

    fn chunks_advance(&mut self) -> Result<bool, UnpackError> {
        self.at = 0;
        self.chunks.advance()
    }

    fn rest_of_chunk(&self, wanted: u64) -> usize {
        let rest = self.chunks.chunk().len() - self.at;
        usize::try_from(wanted).map_or(rest, |wanted| wanted.min(rest))
    }

    fn skip(&mut self, length: usize) {
        self.at += length;
        self.offset += length as u64;
    }
}
