//! Images in files: reading and writing what other tools keep and exchange them in.
//!
//! [`Layout::open`] takes a Docker archive of either school, an OCI archive, an OCI layout or a directory of
//! `skopeo`, tells them apart by their content, and says which images are there. What a manifest names is opened
//! where it lies, and no byte is copied. An [`ArchiveWriter`] writes the archives, a [`LayoutDirectory`] the directories.
//!
//! # Invariants
//! - What is read is hostile (hardening T24, R4): no path of it leads out of it, no link is followed by the
//!   kernel, documents and counts are bounded, a name is never proof of content.
//! - What is opened as a blob is read through [`VerifyingReader`], or hashed by whoever takes it.
//! - A file or directory appears when it is whole. What was there before is only replaced by what is whole.
//! - The same images make the same bytes.

mod contents;
mod error;
mod extent;
mod kind;
mod path;
mod read;
mod spool;
mod verified;
mod write;

use std::io::Read;

use windlass_archive::{Compression, DecompressReader};
use windlass_oci::LayerEncoding;

pub use error::{LayoutDefect, LayoutError};
pub use extent::{FileSection, SectionReader};
pub use kind::LayoutKind;
pub use read::{Layout, LayoutEntry};
pub use spool::Spool;
pub use verified::{ContentMismatch, VerifyingReader};
pub use write::{
    ArchiveEvent, ArchiveWriter, Artifact, AtomicFile, Batch, BatchImage, LayoutDirectory,
    WriteError,
};

/// Tells by its beginning how the layer that `blob` yields is encoded.
pub fn detect_encoding(blob: &mut dyn Read) -> Result<LayerEncoding, LayoutError> {
    Ok(match DecompressReader::new(blob)?.compression() {
        Compression::Plain => LayerEncoding::Plain,
        Compression::Gzip => LayerEncoding::Gzip,
        Compression::Zstd => LayerEncoding::Zstd,
    })
}
