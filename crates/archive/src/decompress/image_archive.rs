//! Decompresses whole archives of images, which may have compressions that layers cannot have.

use std::fmt;
use std::io::{self, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use lzma_rust2::XzReader;

use super::input::CompressedInput;
use super::layer_decoder::DecompressReader;
use super::magic::{DetectedCompression, MAX_MAGIC_LENGTH};
use crate::compression::Compression;
use crate::error::UnpackError;

/// Decompresses an archive of images: in addition to the compressions of layers, xz and bzip2. A stream without
/// compression is passed through.
pub struct ArchiveDecompressReader<R: Read> {
    decoder: ArchiveDecoder<R>,
}

enum ArchiveDecoder<R: Read> {
    Layer(DecompressReader<CompressedInput<R>>),
    Xz(Box<XzReader<MarkedInput<R>>>),
    Bzip2(Box<MultiBzDecoder<BufReader<MarkedInput<R>>>>),
}

/// Marks the errors of reading the compressed bytes, to distinguish them from errors of the decoders.
struct MarkedInput<R>(CompressedInput<R>);

/// An error of reading the compressed bytes.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the compressed bytes")]
struct InputError(#[source] io::Error);

/// An xz or bzip2 stream is truncated or corrupt, or needs too much memory.
#[derive(Debug, thiserror::Error)]
#[error("invalid {compression} stream")]
struct ArchiveStreamError {
    compression: &'static str,
    source: io::Error,
}

/// The limit on the memory for an xz stream, in KiB: enough for the largest preset of `xz`, which has a dictionary of
/// 64 MiB. A header may require up to 4 GiB. bzip2 needs less than 8 MiB for any stream.
const MAX_XZ_MEMORY: u32 = 80 << 10;

impl<R: Read> ArchiveDecompressReader<R> {
    /// Reads the beginning of `stream` and detects its compression.
    pub fn new(stream: R) -> Result<Self, UnpackError> {
        let mut input = CompressedInput::new(stream);
        let beginning = input.peek(MAX_MAGIC_LENGTH).map_err(UnpackError::Read)?;
        let decoder = match DetectedCompression::of(beginning) {
            DetectedCompression::Plain | DetectedCompression::Gzip | DetectedCompression::Zstd => {
                ArchiveDecoder::Layer(DecompressReader::new(input)?)
            }
            DetectedCompression::Xz => {
                let decoder = XzReader::new_mem_limit(MarkedInput(input), true, MAX_XZ_MEMORY);
                ArchiveDecoder::Xz(Box::new(decoder))
            }
            DetectedCompression::Bzip2 => {
                let input = BufReader::new(MarkedInput(input));
                ArchiveDecoder::Bzip2(Box::new(MultiBzDecoder::new(input)))
            }
        };
        Ok(Self { decoder })
    }

    /// Returns whether the stream has no compression.
    pub fn is_plain(&self) -> bool {
        match &self.decoder {
            ArchiveDecoder::Layer(layer) => layer.compression() == Compression::Plain,
            ArchiveDecoder::Xz(_) | ArchiveDecoder::Bzip2(_) => false,
        }
    }
}

impl<R: Read> Read for ArchiveDecompressReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.decoder {
            ArchiveDecoder::Layer(layer) => layer.read(buffer),
            ArchiveDecoder::Xz(xz) => xz.read(buffer).map_err(|error| stream_error("xz", error)),
            ArchiveDecoder::Bzip2(bzip2) => {
                let read = bzip2.read(buffer);
                read.map_err(|error| stream_error("bzip2", error))
            }
        }
    }
}

impl<R: Read> Read for MarkedInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer);
        read.map_err(|error| io::Error::other(InputError(error)))
    }
}

/// Adds the compression to an error of a decoder. An error of reading the compressed bytes is returned unchanged.
fn stream_error(compression: &'static str, error: io::Error) -> io::Error {
    match error.downcast::<InputError>() {
        Ok(InputError(error)) => error,
        Err(source) => {
            let error = ArchiveStreamError {
                compression,
                source,
            };
            io::Error::new(io::ErrorKind::InvalidData, error)
        }
    }
}

impl<R: Read> fmt::Debug for ArchiveDecompressReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveDecompressReader")
            .finish_non_exhaustive()
    }
}
