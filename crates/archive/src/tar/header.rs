//! The 512 bytes of a header, field by field.

use std::ops::Range;

use super::BLOCK;
use super::number;
use crate::error::TarError;

pub(super) type Block = [u8; BLOCK];

/// A header whose checksum is right.
pub(super) struct Header<'a> {
    block: &'a Block,
    format: Format,
}

/// What the fields behind the magic mean.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Before POSIX: there are none.
    Old,
    /// POSIX: devices and a prefix of the name.
    Ustar,
    /// Schily's star: as ustar, with times in the prefix's end.
    Star,
    /// GNU: devices, times and a sparse map.
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

impl<'a> Header<'a> {
    pub(super) fn parse(block: &'a Block) -> Result<Self, TarError> {
        check_sum(block)?;
        let format = match (&block[MAGIC], &block[VERSION]) {
            (b"ustar\0", _) if &block[STAR_TRAILER] == b"tar\0" => Format::Star,
            (b"ustar\0", _) => Format::Ustar,
            (b"ustar ", b" \0") => Format::Gnu,
            _ => Format::Old,
        };
        Ok(Self { block, format })
    }

    pub(super) fn flag(&self) -> u8 {
        self.block[FLAG]
    }

    pub(super) fn is_gnu(&self) -> bool {
        self.format == Format::Gnu
    }

    /// Appends the name, prefix included, to `path`.
    pub(super) fn push_path(&self, path: &mut Vec<u8>) {
        let prefix = match self.format {
            Format::Ustar => text(&self.block[PREFIX]),
            Format::Star => text(&self.block[STAR_PREFIX]),
            Format::Old | Format::Gnu => &[],
        };
        if !prefix.is_empty() {
            path.extend_from_slice(prefix);
            path.push(b'/');
        }
        path.extend_from_slice(text(&self.block[NAME]));
    }

    pub(super) fn link(&self) -> &'a [u8] {
        text(&self.block[LINK])
    }

    /// Returns the permission bits, and set-id and sticky; whatever else is set is nobody's business.
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
        if self.format == Format::Old {
            return Ok((0, 0));
        }
        let field =
            |range, field| number::unsigned(&self.block[range]).ok_or(TarError::Number { field });
        Ok((field(MAJOR, "major")?, field(MINOR, "minor")?))
    }

    /// Returns the size with holes, of a GNU sparse file.
    pub(super) fn gnu_real_size(&self) -> Result<u64, TarError> {
        let size = number::unsigned(&self.block[GNU_REAL_SIZE]).and_then(number::size);
        size.ok_or(TarError::Number { field: "real size" })
    }

    pub(super) fn block(&self) -> &'a Block {
        self.block
    }
}

pub(super) fn is_zero(block: &Block) -> bool {
    block.iter().all(|&byte| byte == 0)
}

/// Compares the checksum with the sum of the bytes, taken as unsigned or, as old programs did, signed.
fn check_sum(block: &Block) -> Result<(), TarError> {
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

/// Returns what stands before the first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0);
    &field[..end.unwrap_or(field.len())]
}
