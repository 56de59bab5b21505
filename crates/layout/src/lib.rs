//! Reads and writes images in files: the archives and directories that Docker, skopeo and other tools exchange.
//!
//! [`Layout::open`] reads a Docker archive (old or new format), an OCI archive, an OCI layout or a `dir:` directory
//! of skopeo. It detects the format from the content and lists the images. Blobs are read in place, without copying.
//! An [`ArchiveWriter`] writes archives, a [`LayoutDirectory`] writes directories.
//!
//! # Invariants
//! - The input is untrusted (hardening T24, R4): no path leads out of the archive or directory, the kernel follows no
//!   symbolic link, sizes and counts are bounded, and a name is never taken as proof of content.
//! - A blob is read through a [`VerifyingReader`], or the code that reads it computes its digest.
//! - A file or directory appears at its path when it is complete, and only then replaces a previous one.
//! - Writing the same images produces the same bytes.

mod contents;
mod error;
mod kind;
mod path;
mod read;
mod section;
mod spool;
mod verifying_reader;
mod write;

use std::io::Read;

use windlass_archive::{Compression, DecompressReader};
use windlass_oci::LayerEncoding;

pub use error::{LayoutDefect, LayoutError};
pub use kind::LayoutKind;
pub use read::{Layout, LayoutEntry, NamedImage, ReadOptions, StoredLayer};
pub use section::{FileSection, SectionReader};
pub use spool::Spool;
pub use verifying_reader::{ContentMismatch, VerifyingReader};
pub use write::{
    ArchiveEvent, ArchiveWriter, Artifact, AtomicFile, Batch, BatchImage, LayoutDirectory,
    WriteError,
};

/// Reads the beginning of the layer `blob` and returns its encoding.
pub fn detect_encoding(blob: &mut dyn Read) -> Result<LayerEncoding, LayoutError> {
    Ok(match DecompressReader::new(blob)?.compression() {
        Compression::Plain => LayerEncoding::Plain,
        Compression::Gzip => LayerEncoding::Gzip,
        Compression::Zstd => LayerEncoding::Zstd,
    })
}
