//! The Zstandard format: a sequence of frames, including skippable ones, with a bounded window and without
//! dictionaries (RFC 8878; hardening T14).

use std::io::Read;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::input::{CompressedInput, DecodeError};
use crate::error::StreamError;

/// The base-2 logarithm of the largest window in bytes, which bounds the memory of the decoder: 128 MiB, the
/// default of the reference implementation.
const MAX_WINDOW_LOG: u32 = 27;

/// Decompresses a Zstandard stream.
pub(super) struct ZstdDecoder {
    decoder: Decoder<'static>,
    /// Whether the position is inside a frame.
    in_frame: bool,
}

impl ZstdDecoder {
    pub(super) fn new() -> Result<Self, StreamError> {
        let mut decoder = Decoder::new().map_err(StreamError::Damaged)?;
        decoder
            .set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG))
            .map_err(StreamError::Damaged)?;
        Ok(Self {
            decoder,
            in_frame: false,
        })
    }

    pub(super) fn fill<R: Read>(
        &mut self,
        input: &mut CompressedInput<R>,
        out: &mut [u8],
    ) -> Result<usize, DecodeError> {
        let mut filled = 0;
        while filled < out.len() {
            let bytes = input.bytes().map_err(DecodeError::Read)?;
            let ended = bytes.is_empty();
            if ended && !self.in_frame {
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
            self.in_frame = hint != 0;
            if ended && written == 0 && self.in_frame {
                return Err(StreamError::Truncated.into());
            }
        }
        Ok(filled)
    }
}
