//! Reads the sparse maps that are stored in blocks of the tar: PAX 1.0 and GNU.

use super::block::{BLOCK_SIZE, BlockReader, TarBlock};
use super::header::{EntryHeader, GNU_EXTENDED, GNU_SPARSE};
use super::number;
use super::sparse::{MapLocation, Segment, SparseFile, segments};
use crate::error::{TarError, UnpackError};

/// The length of an entry of a GNU map in bytes: an offset and a length.
const GNU_ENTRY_LENGTH: usize = 24;
const GNU_ENTRIES_PER_BLOCK: usize = 21;

/// Reads the map of `sparse` unless it is already known from PAX records, and validates it. `limit` bounds
/// the size of the map in bytes.
pub(super) fn read(
    blocks: &mut BlockReader<'_>,
    limit: usize,
    header: &EntryHeader<'_>,
    sparse: &mut SparseFile,
) -> Result<(), UnpackError> {
    match sparse.map_location {
        MapLocation::Records => {}
        MapLocation::Content => sparse.segments = read_from_content(blocks, limit)?,
        MapLocation::Header => sparse.segments = read_from_header(blocks, limit, header)?,
    }
    let checked = sparse.check(blocks.remaining_content());
    checked.map_err(|source| blocks.error(source))
}

/// Reads a PAX 1.0 map: decimal numbers, each terminated by a newline and the number of segments first, padded
/// to whole blocks.
fn read_from_content(
    blocks: &mut BlockReader<'_>,
    limit: usize,
) -> Result<Vec<Segment>, UnpackError> {
    let mut numbers = Vec::new();
    let mut count = None;
    let mut digits = Vec::new();
    let mut read = 0;
    while count.is_none_or(|count: usize| numbers.len() / 2 < count) {
        read += BLOCK_SIZE;
        if read > limit {
            return Err(blocks.error(TarError::HeaderTooLarge { limit }));
        }
        for byte in read_content_block(blocks)? {
            if byte != b'\n' {
                digits.push(byte);
                continue;
            }
            let number = number::decimal(&digits).and_then(number::size);
            let number = number.ok_or_else(|| blocks.error(TarError::SparseMap))?;
            digits.clear();
            match count {
                None => {
                    let segments = usize::try_from(number);
                    count = Some(segments.map_err(|_| blocks.error(TarError::SparseMap))?);
                }
                Some(_) => numbers.push(number),
            }
            if count.is_some_and(|count| numbers.len() / 2 >= count) {
                break;
            }
        }
    }
    segments(&numbers).map_err(|source| blocks.error(source))
}

fn read_content_block(blocks: &mut BlockReader<'_>) -> Result<TarBlock, UnpackError> {
    let mut block = [0; BLOCK_SIZE];
    let mut filled = 0;
    while filled < BLOCK_SIZE {
        let piece = blocks.content((BLOCK_SIZE - filled) as u64)?;
        let length = piece.len();
        if length == 0 {
            return Err(blocks.error(TarError::SparseMap));
        }
        block[filled..filled + length].copy_from_slice(piece);
        filled += length;
    }
    Ok(block)
}

/// Reads a GNU map: four segments in the header, followed by blocks of 21 segments. A flag in the header and in
/// each block is set if another block follows.
fn read_from_header(
    blocks: &mut BlockReader<'_>,
    limit: usize,
    header: &EntryHeader<'_>,
) -> Result<Vec<Segment>, UnpackError> {
    const MAP_LENGTH: usize = GNU_ENTRY_LENGTH * GNU_ENTRIES_PER_BLOCK;
    let mut segments = Vec::new();
    let push = |blocks: &BlockReader<'_>, map: &[u8], segments: &mut Vec<Segment>| {
        push_gnu_segments(map, segments).map_err(|source| blocks.error(source))
    };
    let block = header.block();
    push(blocks, &block[GNU_SPARSE], &mut segments)?;
    let mut is_extended = block[GNU_EXTENDED] != 0;
    let mut read = 0;
    while is_extended {
        read += BLOCK_SIZE;
        if read > limit {
            return Err(blocks.error(TarError::HeaderTooLarge { limit }));
        }
        let Some(block) = blocks.block()? else {
            return Err(blocks.error(TarError::Truncated));
        };
        push(blocks, &block[..MAP_LENGTH], &mut segments)?;
        is_extended = block[MAP_LENGTH] != 0;
    }
    Ok(segments)
}

fn push_gnu_segments(map: &[u8], segments: &mut Vec<Segment>) -> Result<(), TarError> {
    for entry in map.chunks_exact(GNU_ENTRY_LENGTH) {
        let (offset, length) = entry.split_at(GNU_ENTRY_LENGTH / 2);
        // An empty entry ends the map.
        if offset[0] == 0 {
            break;
        }
        let number = |field| number::unsigned(field).and_then(number::size);
        let segment = number(offset).zip(number(length));
        let (offset, length) = segment.ok_or(TarError::SparseMap)?;
        segments.push(Segment { offset, length });
    }
    Ok(())
}
