//! The gzip format: verifies each member and rejects anything else between and behind the members
//! (RFC 1952; hardening T14).

use std::io::Read;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::input::{CompressedInput, DecodeError};
use crate::error::StreamError;

/// Decompresses a gzip stream.
pub(super) struct GzipDecoder {
    inflate: Decompress,
    crc: Crc,
    position: GzipPosition,
}

/// The position in the stream.
enum GzipPosition {
    /// Before the header of the `first` or of a later member.
    Header { first: bool },
    /// In the compressed data of a member.
    Data,
}

// The bits of a member's flags (RFC 1952, section 2.3.1).
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

impl GzipDecoder {
    pub(super) fn new() -> Self {
        Self {
            inflate: Decompress::new(false),
            crc: Crc::new(),
            position: GzipPosition::Header { first: true },
        }
    }

    pub(super) fn fill<R: Read>(
        &mut self,
        input: &mut CompressedInput<R>,
        out: &mut [u8],
    ) -> Result<usize, DecodeError> {
        let mut filled = 0;
        while filled < out.len() {
            match self.position {
                GzipPosition::Header { first } => {
                    if input.bytes().map_err(DecodeError::Read)?.is_empty() {
                        return Ok(filled);
                    }
                    skip_header(input, first)?;
                    self.inflate.reset(false);
                    self.crc.reset();
                    self.position = GzipPosition::Data;
                }
                GzipPosition::Data => filled += self.inflate(input, &mut out[filled..])?,
            }
        }
        Ok(filled)
    }

    /// Decompresses a part of a member, and verifies its trailer at the end. Returns the bytes written.
    fn inflate<R: Read>(
        &mut self,
        input: &mut CompressedInput<R>,
        out: &mut [u8],
    ) -> Result<usize, DecodeError> {
        let bytes = input.bytes().map_err(DecodeError::Read)?;
        let ended = bytes.is_empty();
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(bytes, out, FlushDecompress::None)
            .map_err(|error| StreamError::Damaged(error.into()))?;
        let read = bytes_since(self.inflate.total_in(), read);
        let written = bytes_since(self.inflate.total_out(), written);
        input.consume(read);
        self.crc.update(&out[..written]);
        if status == Status::StreamEnd {
            verify_trailer(input, &self.crc)?;
            self.position = GzipPosition::Header { first: false };
        } else if ended && written == 0 {
            return Err(StreamError::Truncated.into());
        }
        Ok(written)
    }
}

/// Reads a member's header and ignores its optional fields.
fn skip_header<R: Read>(input: &mut CompressedInput<R>, first: bool) -> Result<(), DecodeError> {
    let mut header = HeaderReader {
        input,
        crc: Crc::new(),
    };
    let magic = [header.byte()?, header.byte()?, header.byte()?];
    if magic != [0x1f, 0x8b, 0x08] {
        return Err(if first {
            StreamError::Header("the compression method is unknown")
        } else {
            StreamError::Trailing
        }
        .into());
    }
    let flags = header.byte()?;
    if flags & RESERVED != 0 {
        return Err(StreamError::Header("reserved header flags are set").into());
    }
    // The modification time, extra flags and operating system.
    header.skip(6)?;
    if flags & EXTRA != 0 {
        let length = u16::from_le_bytes([header.byte()?, header.byte()?]);
        header.skip(length.into())?;
    }
    if flags & NAME != 0 {
        header.skip_string()?;
    }
    if flags & COMMENT != 0 {
        header.skip_string()?;
    }
    if flags & HEADER_CRC != 0 {
        let sum = header.crc.sum().to_le_bytes();
        if [header.byte()?, header.byte()?] != sum[..2] {
            return Err(StreamError::Checksum.into());
        }
    }
    Ok(())
}

/// Compares a member's trailer with the checksum and length of the decompressed data.
fn verify_trailer<R: Read>(input: &mut CompressedInput<R>, crc: &Crc) -> Result<(), DecodeError> {
    let mut trailer = [0; 8];
    for byte in &mut trailer {
        *byte = read_byte(input)?;
    }
    let (sum, length) = trailer.split_at(4);
    if sum != crc.sum().to_le_bytes() || length != crc.amount().to_le_bytes() {
        return Err(StreamError::Checksum.into());
    }
    Ok(())
}

/// Reads the bytes of a member's header and computes their checksum.
struct HeaderReader<'a, R> {
    input: &'a mut CompressedInput<R>,
    crc: Crc,
}

impl<R: Read> HeaderReader<'_, R> {
    fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = read_byte(self.input)?;
        self.crc.update(&[byte]);
        Ok(byte)
    }

    fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        (0..count).try_for_each(|_| self.byte().map(drop))
    }

    fn skip_string(&mut self) -> Result<(), DecodeError> {
        while self.byte()? != 0 {}
        Ok(())
    }
}

fn read_byte<R: Read>(input: &mut CompressedInput<R>) -> Result<u8, DecodeError> {
    let byte = input.next().map_err(DecodeError::Read)?;
    byte.ok_or_else(|| StreamError::Truncated.into())
}

fn bytes_since(now: u64, before: u64) -> usize {
    usize::try_from(now - before).expect("bounded by the lengths of the buffers")
}
