//! Tells a compression by content and undoes it.

mod gzip;
mod input;
mod zstandard;

use std::fmt;
use std::io::{self, Read};

use crate::error::{StreamError, UnpackError};
use gzip::Gzip;
use input::Input;
use zstandard::Zstd;

/// How a layer blob is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, of one or more members (RFC 1952).
    Gzip,
    /// Zstandard, of one or more frames (RFC 8878).
    Zstd,
}

/// A stream with its compression undone, whichever it had; that of a plain stream is the stream itself.
#[derive(Debug)]
pub struct DecompressReader<R> {
    decoder: Decoder<R>,
}

/// Decompresses a blob.
pub(crate) struct Decoder<R> {
    input: Input<R>,
    codec: Codec,
}

enum Codec {
    Plain,
    Gzip(Box<Gzip>),
    Zstd(Zstd),
}

/// What went wrong below: the reader, or the stream.
enum FillError {
    Read(io::Error),
    Stream(StreamError),
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

impl<R: Read> Decoder<R> {
    /// Reads the beginning of `blob` and tells its compression.
    pub(crate) fn new(blob: R) -> Result<Self, UnpackError> {
        let mut input = Input::new(blob);
        let codec = match input.peek(LONGEST_MAGIC).map_err(UnpackError::Read)? {
            [0x1f, 0x8b, 0x08, ..] => Codec::Gzip(Box::new(Gzip::new())),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Codec::Zstd(Zstd::new().map_err(|source| UnpackError::Stream {
                    compression: Compression::Zstd,
                    source,
                })?)
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => return Err(unsupported("xz")),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, ..] => {
                return Err(unsupported("bzip2"));
            }
            _ => Codec::Plain,
        };
        Ok(Self { input, codec })
    }

    /// Returns the compression that was told.
    pub(crate) fn compression(&self) -> Compression {
        match self.codec {
            Codec::Plain => Compression::Plain,
            Codec::Gzip(_) => Compression::Gzip,
            Codec::Zstd(_) => Compression::Zstd,
        }
    }

    /// Fills `out` and returns its length; less only at the end of a stream that is complete.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> Result<usize, UnpackError> {
        let filled = match &mut self.codec {
            Codec::Plain => self.input.copy_to(out).map_err(FillError::Read),
            Codec::Gzip(gzip) => gzip.fill(&mut self.input, out),
            Codec::Zstd(zstd) => zstd.fill(&mut self.input, out),
        };
        filled.map_err(|error| match error {
            FillError::Read(source) => UnpackError::Read(source),
            FillError::Stream(source) => UnpackError::Stream {
                compression: self.compression(),
                source,
            },
        })
    }
}

impl<R: Read> DecompressReader<R> {
    /// Reads the beginning of `stream` and tells its compression by that.
    pub fn new(stream: R) -> Result<Self, UnpackError> {
        let decoder = Decoder::new(stream)?;
        Ok(Self { decoder })
    }

    /// Returns the compression that was told.
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

impl From<StreamError> for FillError {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

const LONGEST_MAGIC: usize = 8;

fn unsupported(name: &'static str) -> UnpackError {
    UnpackError::UnsupportedCompression { name }
}
