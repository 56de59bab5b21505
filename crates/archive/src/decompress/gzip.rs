//! gzip framing around raw inflate: members one after another, each verified, and nothing else
//! (RFC 1952; hardening T14).

use std::io::Read;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::input::Input;
use super::{FillError, StreamError};

pub(super) struct Gzip {
    inflate: Decompress,
    crc: Crc,
    state: State,
}

enum State {
    /// At the beginning of a member, the `first` one or another.
    Header { first: bool },
    /// Inside a member's data.
    Data,
}

const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            inflate: Decompress::new(false),
            crc: Crc::new(),
            state: State::Header { first: true },
        }
    }

    pub(super) fn fill<R: Read>(
        &mut self,
        input: &mut Input<R>,
        out: &mut [u8],
    ) -> Result<usize, FillError> {
        let mut filled = 0;
        while filled < out.len() {
            match self.state {
                State::Header { first } => {
                    if input.bytes().map_err(FillError::Read)?.is_empty() {
                        return Ok(filled);
                    }
                    header(input, first)?;
                    self.inflate.reset(false);
                    self.crc.reset();
                    self.state = State::Data;
                }
                State::Data => filled += self.inflate(input, &mut out[filled..])?,
            }
        }
        Ok(filled)
    }

    /// Inflates some of a member, and verifies it when it ends.
    fn inflate<R: Read>(
        &mut self,
        input: &mut Input<R>,
        out: &mut [u8],
    ) -> Result<usize, FillError> {
        let bytes = input.bytes().map_err(FillError::Read)?;
        let ended = bytes.is_empty();
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(bytes, out, FlushDecompress::None)
            .map_err(|error| StreamError::Damaged(error.into()))?;
        let read = difference(self.inflate.total_in(), read);
        let written = difference(self.inflate.total_out(), written);
        input.consume(read);
        self.crc.update(&out[..written]);
        if status == Status::StreamEnd {
            trailer(input, &self.crc)?;
            self.state = State::Header { first: false };
        } else if ended && written == 0 {
            return Err(StreamError::Truncated.into());
        }
        Ok(written)
    }
}

/// Reads over a member's header.
fn header<R: Read>(input: &mut Input<R>, first: bool) -> Result<(), FillError> {
    let mut header = Header {
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
    // Modification time, extra flags, operating system.
    header.skip(6)?;
    if flags & EXTRA != 0 {
        let length = u16::from_le_bytes([header.byte()?, header.byte()?]);
        header.skip(length.into())?;
    }
    if flags & NAME != 0 {
        header.skip_text()?;
    }
    if flags & COMMENT != 0 {
        header.skip_text()?;
    }
    if flags & HEADER_CRC != 0 {
        let sum = header.crc.sum().to_le_bytes();
        if [header.byte()?, header.byte()?] != sum[..2] {
            return Err(StreamError::Checksum.into());
        }
    }
    Ok(())
}

/// Compares a member's trailer with what was inflated.
fn trailer<R: Read>(input: &mut Input<R>, crc: &Crc) -> Result<(), FillError> {
    let mut trailer = [0; 8];
    for byte in &mut trailer {
        *byte = next(input)?;
    }
    let (sum, length) = trailer.split_at(4);
    if sum != crc.sum().to_le_bytes() || length != crc.amount().to_le_bytes() {
        return Err(StreamError::Checksum.into());
    }
    Ok(())
}

struct Header<'a, R> {
    input: &'a mut Input<R>,
    crc: Crc,
}

impl<R: Read> Header<'_, R> {
    fn byte(&mut self) -> Result<u8, FillError> {
        let byte = next(self.input)?;
        self.crc.update(&[byte]);
        Ok(byte)
    }

    fn skip(&mut self, count: usize) -> Result<(), FillError> {
        (0..count).try_for_each(|_| self.byte().map(drop))
    }

    fn skip_text(&mut self) -> Result<(), FillError> {
        while self.byte()? != 0 {}
        Ok(())
    }
}

fn next<R: Read>(input: &mut Input<R>) -> Result<u8, FillError> {
    let byte = input.next().map_err(FillError::Read)?;
    byte.ok_or_else(|| StreamError::Truncated.into())
}

fn difference(now: u64, before: u64) -> usize {
    usize::try_from(now - before).expect("no more than the buffers' lengths")
}
