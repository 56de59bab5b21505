//! Files with holes: GNU's old form, and PAX 0.0, 0.1 and 1.0.

use super::header::{self, Header};
use super::number;
use super::{BLOCK, Entry, TarReader};
use crate::error::{TarError, UnpackError};

/// A run of a sparse file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What is known of a sparse file's layout, and where the rest of it stands.
#[derive(Debug)]
pub(crate) struct Sparse {
    /// The file's length with its holes.
    pub(crate) real_size: u64,
    /// Where its content belongs: ascending, disjoint, within the length, all of it.
    pub(crate) segments: Vec<Segment>,
    pub(super) source: MapSource,
}

/// Where the map stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MapSource {
    /// In the PAX records: already read (PAX 0.0 and 0.1).
    Records,
    /// Before the content (PAX 1.0).
    Content,
    /// In the header and in blocks behind it (GNU).
    Header,
}

/// Collects the `GNU.sparse.` records of a PAX header.
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    major: Option<u64>,
    minor: Option<u64>,
    real_size: Option<u64>,
    numbers: Vec<u64>,
    has_map: bool,
}

/// The length of a GNU map entry: an offset and a length.
const GNU_ENTRY: usize = 24;
const GNU_ENTRIES_PER_BLOCK: usize = 21;

impl SparseRecords {
    /// Takes the record `GNU.sparse.<key>`.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarError> {
        let number = || {
            number::decimal(value)
                .and_then(number::size)
                .ok_or(TarError::SparseMap)
        };
        match key {
            b"major" => self.major = Some(number()?),
            b"minor" => self.minor = Some(number()?),
            b"size" | b"realsize" => self.real_size = Some(number()?),
            // Version 0.0 repeats these two for every segment.
            b"offset" if self.numbers.len().is_multiple_of(2) => self.push(number()?),
            b"numbytes" if !self.numbers.len().is_multiple_of(2) => self.push(number()?),
            b"offset" | b"numbytes" => return Err(TarError::SparseMap),
            b"map" => {
                self.numbers.clear();
                self.has_map = true;
                if !value.is_empty() {
                    for text in value.split(|&byte| byte == b',') {
                        let number = number::decimal(text).and_then(number::size);
                        self.numbers.push(number.ok_or(TarError::SparseMap)?);
                    }
                }
            }
            // The number of segments is known by counting.
            _ => {}
        }
        Ok(())
    }

    /// Returns the layout, if the records speak of one.
    pub(super) fn finish(self) -> Result<Option<Sparse>, TarError> {
        let source = match (self.major, self.minor) {
            (Some(1), Some(0)) => MapSource::Content,
            (Some(0), Some(0 | 1)) | (None, None) if self.has_map => MapSource::Records,
            (None, None) => return Ok(None),
            _ => return Err(TarError::SparseMap),
        };
        let real_size = self.real_size.ok_or(TarError::SparseMap)?;
        let segments = match source {
            MapSource::Records => segments(&self.numbers)?,
            MapSource::Content | MapSource::Header => Vec::new(),
        };
        Ok(Some(Sparse {
            real_size,
            segments,
            source,
        }))
    }

    fn push(&mut self, number: u64) {
        self.has_map = true;
        self.numbers.push(number);
    }
}

impl Sparse {
    /// A GNU sparse file, whose map is still to be read.
    pub(super) fn gnu(header: &Header<'_>) -> Result<Self, TarError> {
        Ok(Self {
            real_size: header.gnu_real_size()?,
            segments: Vec::new(),
            source: MapSource::Header,
        })
    }

    /// Checks that the map fits itself, the file's length and the content's.
    fn check(&self, content: u64) -> Result<(), TarError> {
        let mut end = 0;
        let mut total = 0u64;
        for segment in &self.segments {
            if segment.offset < end {
                return Err(TarError::SparseMap);
            }
            end = segment
                .offset
                .checked_add(segment.length)
                .ok_or(TarError::SparseMap)?;
            total += segment.length;
        }
        if end > self.real_size || total != content {
            return Err(TarError::SparseMap);
        }
        Ok(())
    }
}

impl TarReader<'_> {
    /// Reads what is still to be read of the map, and checks it.
    pub(super) fn read_sparse_map(
        &mut self,
        header: &Header<'_>,
        entry: &mut Entry,
    ) -> Result<(), UnpackError> {
        let Some(sparse) = &mut entry.sparse else {
            return Ok(());
        };
        match sparse.source {
            MapSource::Records => {}
            MapSource::Content => sparse.segments = self.read_map_in_content()?,
            MapSource::Header => sparse.segments = self.read_map_in_header(header)?,
        }
        entry.size = self.content;
        sparse
            .check(self.content)
            .map_err(|source| self.error(source))
    }

    /// PAX 1.0: decimal numbers, each ended by a newline, the count of segments first, padded to whole
    /// blocks.
    fn read_map_in_content(&mut self) -> Result<Vec<Segment>, UnpackError> {
        let mut numbers = Vec::new();
        let mut count = None;
        let mut digits = Vec::new();
        let mut read = 0;
        while count.is_none_or(|count: usize| numbers.len() / 2 < count) {
            read += BLOCK;
            if read > self.header_limit {
                let limit = self.header_limit;
                return Err(self.error(TarError::HeaderTooLarge { limit }));
            }
            let mut block = [0; BLOCK];
            self.read_content_block(&mut block)?;
            for &byte in &block {
                if byte != b'\n' {
                    digits.push(byte);
                    continue;
                }
                let number = number::decimal(&digits).and_then(number::size);
                let number = number.ok_or_else(|| self.error(TarError::SparseMap))?;
                digits.clear();
                match count {
                    None => {
                        let segments = usize::try_from(number);
                        count = Some(segments.map_err(|_| self.error(TarError::SparseMap))?);
                    }
                    Some(_) => numbers.push(number),
                }
                if count.is_some_and(|count| numbers.len() / 2 >= count) {
                    break;
                }
            }
        }
        segments(&numbers).map_err(|source| self.error(source))
    }

    fn read_content_block(&mut self, block: &mut [u8; BLOCK]) -> Result<(), UnpackError> {
        let mut filled = 0;
        while filled < BLOCK {
            let piece = self.content_up_to((BLOCK - filled) as u64)?;
            if piece.is_empty() {
                return Err(self.error(TarError::SparseMap));
            }
            block[filled..filled + piece.len()].copy_from_slice(piece);
            filled += piece.len();
        }
        Ok(())
    }

    /// GNU: four segments in the header, then blocks of 21 as long as each says that one more follows.
    fn read_map_in_header(&mut self, header: &Header<'_>) -> Result<Vec<Segment>, UnpackError> {
        let mut segments = Vec::new();
        let block = header.block();
        self.push_gnu(&block[header::GNU_SPARSE], &mut segments)?;
        let mut extended = block[header::GNU_EXTENDED] != 0;
        let mut read = 0;
        while extended {
            read += BLOCK;
            let limit = self.header_limit;
            if read > limit {
                return Err(self.error(TarError::HeaderTooLarge { limit }));
            }
            let block = self
                .block()?
                .ok_or_else(|| self.error(TarError::Truncated))?;
            let map = GNU_ENTRY * GNU_ENTRIES_PER_BLOCK;
            self.push_gnu(&block[..map], &mut segments)?;
            extended = block[map] != 0;
        }
        Ok(segments)
    }

    fn push_gnu(&self, map: &[u8], segments: &mut Vec<Segment>) -> Result<(), UnpackError> {
        for entry in map.chunks_exact(GNU_ENTRY) {
            let (offset, length) = entry.split_at(GNU_ENTRY / 2);
            // An entry that does not begin ends the map.
            if offset[0] == 0 {
                break;
            }
            let number = |field| number::unsigned(field).and_then(number::size);
            let segment = number(offset).zip(number(length));
            let (offset, length) = segment.ok_or_else(|| self.error(TarError::SparseMap))?;
            segments.push(Segment { offset, length });
        }
        Ok(())
    }
}

fn segments(numbers: &[u64]) -> Result<Vec<Segment>, TarError> {
    let pairs = numbers.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(TarError::SparseMap);
    }
    Ok(pairs
        .map(|pair| Segment {
            offset: pair[0],
            length: pair[1],
        })
        .collect())
}
