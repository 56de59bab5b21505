//! Decompresses layers, with the compressions that layers can have.

use std::fmt;
use std::io::{self, Read};

use super::gzip::GzipDecoder;
use super::input::{CompressedInput, DecodeError};
use super::magic::{DetectedCompression, MAX_MAGIC_LENGTH};
use super::zstandard::ZstdDecoder;
use crate::compression::Compression;
use crate::error::UnpackError;

/// A reader that decompresses a stream. A stream without compression is passed through.
#[derive(Debug)]
pub struct DecompressReader<R> {
    decoder: Decoder<R>,
}

/// Decompresses a blob.
pub(crate) struct Decoder<R> {
    input: CompressedInput<R>,
    codec: Codec,
}

enum Codec {
    Plain,
    Gzip(Box<GzipDecoder>),
    Zstd(ZstdDecoder),
}

impl<R: Read> Decoder<R> {
    /// Reads the beginning of `blob` and detects its compression.
    pub(crate) fn new(blob: R) -> Result<Self, UnpackError> {
        let mut input = CompressedInput::new(blob);
        let beginning = input.peek(MAX_MAGIC_LENGTH).map_err(UnpackError::Read)?;
        let codec = match DetectedCompression::of(beginning) {
            DetectedCompression::Plain => Codec::Plain,
            DetectedCompression::Gzip => Codec::Gzip(Box::new(GzipDecoder::new())),
            DetectedCompression::Zstd => {
                Codec::Zstd(ZstdDecoder::new().map_err(|source| UnpackError::Stream {
                    compression: Compression::Zstd,
                    source,
                })?)
            }
            DetectedCompression::Xz => return Err(unsupported("xz")),
            DetectedCompression::Bzip2 => return Err(unsupported("bzip2")),
        };
        Ok(Self { input, codec })
    }

    /// Returns the detected compression.
    pub(crate) fn compression(&self) -> Compression {
        match self.codec {
            Codec::Plain => Compression::Plain,
            Codec::Gzip(_) => Compression::Gzip,
            Codec::Zstd(_) => Compression::Zstd,
        }
    }

    /// Fills `out` and returns the number of bytes written. It is less than the length of `out` only at the
    /// end of a complete stream.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> Result<usize, UnpackError> {
        let filled = match &mut self.codec {
            Codec::Plain => self.input.copy_to(out).map_err(DecodeError::Read),
            Codec::Gzip(gzip) => gzip.fill(&mut self.input, out),
            Codec::Zstd(zstd) => zstd.fill(&mut self.input, out),
        };
        filled.map_err(|error| match error {
            DecodeError::Read(source) => UnpackError::Read(source),
            DecodeError::Stream(source) => UnpackError::Stream {
                compression: self.compression(),
                source,
            },
        })
    }
}

impl<R: Read> DecompressReader<R> {
    /// Reads the beginning of `stream` and detects its compression.
    pub fn new(stream: R) -> Result<Self, UnpackError> {
        let decoder = Decoder::new(stream)?;
        Ok(Self { decoder })
    }

    /// Returns the detected compression.
    pub fn compression(&self) -> Compression {
        self.decoder.compression()
    }
}

impl<R: Read> Read for DecompressReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.fill(buffer).map_err(|error| match error {
            UnpackError::Read(error) => error,
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        })
    }
}

impl<R> fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

fn unsupported(name: &'static str) -> UnpackError {
    UnpackError::UnsupportedCompression { name }
}
