//! The fields of a header block.

use std::ops::Range;

use super::block::TarBlock;
use super::number;
use crate::error::TarError;

/// A header with a valid checksum.
pub(super) struct EntryHeader<'a> {
    block: &'a TarBlock,
    format: HeaderFormat,
}

/// The format of a header, which determines the fields behind the magic.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFormat {
    /// Before POSIX: no fields behind the magic.
    Old,
    /// POSIX ustar: device numbers and a prefix of the name.
    Ustar,
    /// Schily's star: like ustar, but the end of the prefix holds times.
    Star,
    /// GNU: device numbers, times and a sparse map.
    Gnu,
}

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const FLAG: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const VERSION: Range<usize> = 263..265;
const MAJOR: Range<usize> = 329..337;
const MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_TRAILER: Range<usize> = 508..512;
pub(super) const GNU_SPARSE: Range<usize> = 386..482;
pub(super) const GNU_EXTENDED: usize = 482;
const GNU_REAL_SIZE: Range<usize> = 483..495;

impl<'a> EntryHeader<'a> {
    pub(super) fn parse(block: &'a TarBlock) -> Result<Self, TarError> {
        verify_checksum(block)?;
        let format = match (&block[MAGIC], &block[VERSION]) {
            (b"ustar\0", _) if &block[STAR_TRAILER] == b"tar\0" => HeaderFormat::Star,
            (b"ustar\0", _) => HeaderFormat::Ustar,
            (b"ustar ", b" \0") => HeaderFormat::Gnu,
            _ => HeaderFormat::Old,
        };
        Ok(Self { block, format })
    }

    pub(super) fn flag(&self) -> u8 {
        self.block[FLAG]
    }

    pub(super) fn is_gnu(&self) -> bool {
        self.format == HeaderFormat::Gnu
    }

    /// Appends the name, including its prefix, to `path`.
    pub(super) fn push_path(&self, path: &mut Vec<u8>) {
        let prefix = match self.format {
            HeaderFormat::Ustar => until_nul(&self.block[PREFIX]),
            HeaderFormat::Star => until_nul(&self.block[STAR_PREFIX]),
            HeaderFormat::Old | HeaderFormat::Gnu => &[],
        };
        if !prefix.is_empty() {
            path.extend_from_slice(prefix);
            path.push(b'/');
        }
        path.extend_from_slice(until_nul(&self.block[NAME]));
    }

    pub(super) fn link(&self) -> &'a [u8] {
        until_nul(&self.block[LINK])
    }

    /// Returns the permission, set-ID and sticky bits. Other bits are ignored.
    pub(super) fn mode(&self) -> Result<u32, TarError> {
        let mode = number::unsigned(&self.block[MODE]);
        let mode = mode.ok_or(TarError::Number { field: "mode" })?;
        Ok(u32::try_from(mode & 0o7777).expect("twelve bits"))
    }

    pub(super) fn uid(&self) -> Result<u32, TarError> {
        let uid = number::unsigned(&self.block[UID]).and_then(number::owner);
        uid.ok_or(TarError::Number { field: "uid" })
    }

    pub(super) fn gid(&self) -> Result<u32, TarError> {
        let gid = number::unsigned(&self.block[GID]).and_then(number::owner);
        gid.ok_or(TarError::Number { field: "gid" })
    }

    pub(super) fn size(&self) -> Result<u64, TarError> {
        let size = number::unsigned(&self.block[SIZE]).and_then(number::size);
        size.ok_or(TarError::Number { field: "size" })
    }

    pub(super) fn mtime(&self) -> Result<i64, TarError> {
        number::signed(&self.block[MTIME]).ok_or(TarError::Number { field: "mtime" })
    }

    /// Returns the major and minor number.
    pub(super) fn device(&self) -> Result<(u64, u64), TarError> {
        if self.format == HeaderFormat::Old {
            return Ok((0, 0));
        }
        let field =
            |range, field| number::unsigned(&self.block[range]).ok_or(TarError::Number { field });
        Ok((field(MAJOR, "major")?, field(MINOR, "minor")?))
    }

    /// Returns the size of a GNU sparse file, including its holes.
    pub(super) fn gnu_real_size(&self) -> Result<u64, TarError> {
        let size = number::unsigned(&self.block[GNU_REAL_SIZE]).and_then(number::size);
        size.ok_or(TarError::Number { field: "real size" })
    }

    pub(super) fn block(&self) -> &'a TarBlock {
        self.block
    }
}

/// Compares the checksum with the sum of the bytes. Old programs summed signed instead of unsigned bytes.
fn verify_checksum(block: &TarBlock) -> Result<(), TarError> {
    let claimed = number::unsigned(&block[CHECKSUM]).ok_or(TarError::Checksum)?;
    let (before, after) = (&block[..CHECKSUM.start], &block[CHECKSUM.end..]);
    let spaces = CHECKSUM.len() as u64 * u64::from(b' ');
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    let unsigned = u64::from(sum(before) + sum(after)) + spaces;
    if claimed == unsigned {
        return Ok(());
    }
    let negative = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte >= 0x80).count() as u64;
    let signed = unsigned.wrapping_sub(256 * (negative(before) + negative(after)));
    if claimed == signed {
        return Ok(());
    }
    Err(TarError::Checksum)
}

/// Returns the bytes before the first NUL.
fn until_nul(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0);
    &field[..end.unwrap_or(field.len())]
}
