//! Detects the compression of a stream from its content and decompresses it.

mod gzip;
mod image_archive;
mod input;
mod layer_decoder;
mod magic;
mod zstandard;

pub use image_archive::ArchiveDecompressReader;
pub(crate) use layer_decoder::Decoder;
pub use layer_decoder::DecompressReader;
