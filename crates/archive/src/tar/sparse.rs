//! Sparse files: the GNU format, and PAX 0.0, 0.1 and 1.0.

use super::header::EntryHeader;
use super::number;
use crate::error::TarError;

/// A contiguous range of a sparse file that has content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The layout of a sparse file.
#[derive(Debug)]
pub(crate) struct SparseFile {
    /// The length of the file in bytes, including its holes.
    pub(crate) real_size: u64,
    /// The segments in ascending order. They do not overlap, are within the length, and cover the content.
    pub(crate) segments: Vec<Segment>,
    pub(super) map_location: MapLocation,
}

/// Where a tar stores the map of a sparse file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MapLocation {
    /// In PAX records, which have been read already (PAX 0.0 and 0.1).
    Records,
    /// Before the content (PAX 1.0).
    Content,
    /// In the header and the blocks behind it (GNU).
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

impl SparseRecords {
    /// Applies the record `GNU.sparse.<key>`.
    pub(super) fn apply(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarError> {
        let number = || {
            number::decimal(value)
                .and_then(number::size)
                .ok_or(TarError::SparseMap)
        };
        match key {
            b"major" => self.major = Some(number()?),
            b"minor" => self.minor = Some(number()?),
            b"size" | b"realsize" => self.real_size = Some(number()?),
            // Version 0.0 repeats these two records for every segment.
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
            // `numblocks` is not needed: the segments are counted.
            _ => {}
        }
        Ok(())
    }

    /// Returns the layout, or `None` if the records do not describe a sparse file.
    pub(super) fn finish(self) -> Result<Option<SparseFile>, TarError> {
        let map_location = match (self.major, self.minor) {
            (Some(1), Some(0)) => MapLocation::Content,
            (Some(0), Some(0 | 1)) | (None, None) if self.has_map => MapLocation::Records,
            (None, None) => return Ok(None),
            _ => return Err(TarError::SparseMap),
        };
        let real_size = self.real_size.ok_or(TarError::SparseMap)?;
        let segments = match map_location {
            MapLocation::Records => segments(&self.numbers)?,
            MapLocation::Content | MapLocation::Header => Vec::new(),
        };
        Ok(Some(SparseFile {
            real_size,
            segments,
            map_location,
        }))
    }

    fn push(&mut self, number: u64) {
        self.has_map = true;
        self.numbers.push(number);
    }
}

impl SparseFile {
    /// Returns the layout of a GNU sparse file, whose map has yet to be read.
    pub(super) fn gnu(header: &EntryHeader<'_>) -> Result<Self, TarError> {
        Ok(Self {
            real_size: header.gnu_real_size()?,
            segments: Vec::new(),
            map_location: MapLocation::Header,
        })
    }

    /// Validates the segments against each other, the length of the file and the length of the `content`.
    pub(super) fn check(&self, content: u64) -> Result<(), TarError> {
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

/// Converts pairs of offsets and lengths into segments.
pub(super) fn segments(numbers: &[u64]) -> Result<Vec<Segment>, TarError> {
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
