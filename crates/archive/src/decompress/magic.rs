//! Detects compressions by their magic numbers.

/// A compression, detected from the beginning of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DetectedCompression {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

/// The length of the longest magic number, in bytes.
pub(super) const MAX_MAGIC_LENGTH: usize = 8;

impl DetectedCompression {
    /// Detects the compression from the first [`MAX_MAGIC_LENGTH`] bytes, or all if there are fewer.
    pub(super) fn of(beginning: &[u8]) -> Self {
        match beginning {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, ..] => Self::Bzip2,
            _ => Self::Plain,
        }
    }
}
