//! Zstandard: frames one after another, skippable ones included, with a bounded window and no
//! dictionary (RFC 8878; hardening T14).

use std::io::Read;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::input::Input;
use super::{FillError, StreamError};

/// The largest window, and so the memory, that a frame may ask for: 128 MiB, which is also what the
/// reference implementation allows by default.
const WINDOW_LOG: u32 = 27;

pub(super) struct Zstd {
    decoder: Decoder<'static>,
    /// Whether a frame has begun that has not ended.
    inside: bool,
}

impl Zstd {
    pub(super) fn new() -> Result<Self, StreamError> {
        let mut decoder = Decoder::new().map_err(StreamError::Damaged)?;
        decoder
            .set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
            .map_err(StreamError::Damaged)?;
        Ok(Self {
            decoder,
            inside: false,
        })
    }

    pub(super) fn fill<R: Read>(
        &mut self,
        input: &mut Input<R>,
        out: &mut [u8],
    ) -> Result<usize, FillError> {
        let mut filled = 0;
        while filled < out.len() {
            let bytes = input.bytes().map_err(FillError::Read)?;
            let ended = bytes.is_empty();
            if ended && !self.inside {
                break;
            }
            let mut from = InBuffer::around(bytes);
            let mut to = OutBuffer::around(&mut out[filled..]);
            let hint = self
                .decoder
                .run(&mut from, &mut to)
                .map_err(StreamError::Damaged)?;
            let (read, written) = (from.pos(), to.pos());
            input.consume(read);
            filled += written;
            self.inside = hint != 0;
            if ended && written == 0 && self.inside {
                return Err(StreamError::Truncated.into());
            }
        }
        Ok(filled)
    }
}
