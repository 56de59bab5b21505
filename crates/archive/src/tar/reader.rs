//! Reads the entries of a tar, and the content of each.

use super::block::BlockReader;
use super::entry::TarEntry;
use super::header::EntryHeader;
use super::pax;
use super::sparse_map;
use crate::chunks::ChunkSource;
use crate::error::{TarError, UnpackError};
use crate::options::UnpackLimits;

/// Reads the entries of a tar, and the content of the current entry.
pub(crate) struct TarReader<'a> {
    blocks: BlockReader<'a>,
    /// The limit of the extension headers of one entry, in bytes.
    header_limit: usize,
}

impl<'a> TarReader<'a> {
    pub(crate) fn new(chunks: &'a mut dyn ChunkSource, limits: &UnpackLimits) -> Self {
        Self {
            blocks: BlockReader::new(chunks),
            header_limit: limits.header_bytes,
        }
    }

    /// Skips the remaining content of the current entry and reads the next entry into `entry`. Returns
    /// `false` at the end of the tar.
    pub(crate) fn next(&mut self, entry: &mut TarEntry) -> Result<bool, UnpackError> {
        self.blocks.skip_content()?;
        entry.clear();
        let mut is_extended = false;
        loop {
            let block = match self.blocks.next_header()? {
                Some(block) => block,
                None if is_extended => return Err(self.blocks.error(TarError::Orphan)),
                None => return Ok(false),
            };
            let header = match EntryHeader::parse(&block) {
                Ok(header) => header,
                Err(TarError::Checksum) if self.blocks.is_first_header() => {
                    return Err(self.blocks.error(TarError::NotTar));
                }
                Err(error) => return Err(self.blocks.error(error)),
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
            self.check_extension_size(entry)?;
            is_extended = true;
        }
    }

    /// Returns the next piece of the current entry's content. It is empty at the end of the content.
    pub(crate) fn content(&mut self) -> Result<&[u8], UnpackError> {
        self.blocks.content(u64::MAX)
    }

    /// Returns at most `limit` bytes of the current entry's content. They are empty at the end of the
    /// content.
    pub(crate) fn content_up_to(&mut self, limit: u64) -> Result<&[u8], UnpackError> {
        self.blocks.content(limit)
    }

    /// Returns the number of bytes of the tar that have been read. Before any content of the current entry
    /// is read, this is the offset of the content.
    pub(crate) fn offset(&self) -> u64 {
        self.blocks.offset()
    }

    /// Reads everything behind the end of the tar.
    pub(crate) fn drain(&mut self) -> Result<(), UnpackError> {
        self.blocks.drain()
    }

    /// Sets the fields of `entry` from its header and the extension headers before it.
    fn read_entry(
        &mut self,
        header: &EntryHeader<'_>,
        entry: &mut TarEntry,
    ) -> Result<(), UnpackError> {
        let filled = entry.fill(header);
        filled.map_err(|source| self.blocks.error(source))?;
        self.blocks.begin_content(entry.size);
        if let Some(sparse) = &mut entry.sparse {
            sparse_map::read(&mut self.blocks, self.header_limit, header, sparse)?;
            entry.size = self.blocks.remaining_content();
        }
        Ok(())
    }

    /// Reads the content of an extension header into `buffer`, which must be empty.
    fn read_extension(
        &mut self,
        header: &EntryHeader<'_>,
        buffer: &mut Option<Vec<u8>>,
        kind: &'static str,
    ) -> Result<(), UnpackError> {
        if buffer.is_some() {
            return Err(self.blocks.error(TarError::Duplicate { kind }));
        }
        *buffer = Some(self.read_header_content(header)?);
        Ok(())
    }

    /// Reads a global PAX header. Its defaults are ignored, as in the reference implementation. Records that
    /// change which bytes are content, or where content is written, are rejected.
    fn read_global(&mut self, header: &EntryHeader<'_>) -> Result<(), UnpackError> {
        let records = self.read_header_content(header)?;
        pax::check_global(&records).map_err(|source| self.blocks.error(source))
    }

    fn read_header_content(&mut self, header: &EntryHeader<'_>) -> Result<Vec<u8>, UnpackError> {
        let size = header.size().map_err(|source| self.blocks.error(source))?;
        let limit = self.header_limit;
        let too_large = TarError::HeaderTooLarge { limit };
        let length = usize::try_from(size).ok().filter(|&length| length <= limit);
        let length = length.ok_or_else(|| self.blocks.error(too_large))?;
        self.blocks.begin_content(size);
        let mut buffer = Vec::with_capacity(length);
        while self.blocks.remaining_content() > 0 {
            buffer.extend_from_slice(self.content()?);
        }
        self.blocks.skip_content()?;
        Ok(buffer)
    }

    fn check_extension_size(&self, entry: &TarEntry) -> Result<(), UnpackError> {
        let limit = self.header_limit;
        if entry.extension_bytes() > limit {
            return Err(self.blocks.error(TarError::HeaderTooLarge { limit }));
        }
        Ok(())
    }
}
