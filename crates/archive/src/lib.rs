//! Decompresses a layer and applies its tar beneath a directory handle, and says what it did.
//!
//! [`unpack`] takes the bytes of a layer blob as they come and ends with the tar's [`DiffId`]. It
//! trusts nothing about them: the compression is told by content, every header is bounded, and every
//! path is resolved inside the directory it was given, as if by `chroot`, but by file descriptors
//! alone (hardening R4, T01-T14).
//!
//! [`LayerFlattener`] makes one tar of the layers of an image, as [`unpack`] would lay them over each other, without
//! a directory to do it in.
//!
//! ```text
//! blob ─► decompress ─► pipeline (ring of buffers, sha256) ─► tar ─► apply ─► directory
//! ```

mod apply;
mod decompress;
mod error;
mod flatten;
mod members;
mod options;
mod pipeline;
mod progress;
mod tar;

use std::io::Read;
use std::os::fd::BorrowedFd;

use windlass_oci::{Algorithm, DiffId, Hasher};

pub use crate::decompress::{Compression, DecompressReader};
pub use crate::error::{
    EntryError, EntryName, StreamError, TarError, UnpackError, UnpackErrorOrigin,
};
pub use crate::flatten::{FlattenError, FlattenedTar, LayerFlattener, ScannedLayer};
pub use crate::members::{TarMember, TarMemberKind, list_members};
pub use crate::options::{
    Ownership, PathResolution, UnpackLimits, UnpackMode, UnpackOptions, UnpackThreads,
};
pub use crate::progress::UnpackProgress;

use crate::apply::Applier;
use crate::decompress::Decoder;
use crate::pipeline::Chunks;
use crate::tar::TarReader;

/// What [`unpack`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpackedLayer {
    /// The digest of the whole tar, the bytes behind its end included (LS-5).
    pub diff_id: DiffId,
    /// How the blob was compressed, told by its content.
    pub compression: Compression,
    /// The number of tar entries, whiteouts included.
    pub entries: u64,
    /// The bytes of file content that were written; holes do not count.
    pub size: u64,
    /// What could not be made here and was left out.
    pub skipped: SkippedItems,
    /// Whether the layer hides everything below its root. As an extended attribute on the root itself
    /// overlayfs does not heed that, so whoever stacks layers must.
    pub opaque_root: bool,
    /// Whether the tar has an entry for the root itself. If not, the root keeps what metadata it had.
    pub has_root_entry: bool,
    /// The directories that entries needed and the tar did not carry, sorted. They were made as mode
    /// 0755, owned by the unpacking user, with a modification time of 0.
    pub implied_directories: Vec<Vec<u8>>,
    /// The hard links whose target is not in this layer, sorted by path ([`UnpackMode::Layer`] only).
    /// Nothing was made for them.
    pub lower_links: Vec<LowerLayerLink>,
}

/// What was left out, because an ordinary user may not make it or the file system cannot hold it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkippedItems {
    /// Device nodes, and hard links to them.
    pub devices: u64,
    /// Extended attributes.
    pub xattrs: u64,
}

/// A hard link to a file of a lower layer. Both paths are relative to the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LowerLayerLink {
    /// Where the link belongs, symbolic links in this layer resolved.
    pub path: Vec<u8>,
    /// What it links to, as the entry names it, without `.` and `..`.
    pub target: Vec<u8>,
}

/// Unpacks the layer `blob` beneath `into`.
///
/// `blob` is read to its very end, behind the end of the tar and of the compressed stream too, so that
/// whoever hashes it sees every byte. An empty blob is an empty layer. A read error ends the call,
/// which is how to cancel it. When an entry fails, the call returns after the read that is under way.
///
/// Nothing outside `into` is looked at or touched, whatever the layer says. After an error `into` is
/// in an unknown state and should be removed.
pub fn unpack(
    blob: impl Read + Send,
    into: BorrowedFd<'_>,
    options: &UnpackOptions,
    progress: &UnpackProgress,
) -> Result<UnpackedLayer, UnpackError> {
    let decoder = Decoder::new(blob)?;
    let compression = decoder.compression();
    let hasher = Hasher::new(Algorithm::Sha256);
    let (applied, digest) = pipeline::run(decoder, hasher, options, progress, |chunks| {
        apply(chunks, into, options, progress)
    })?;
    Ok(UnpackedLayer {
        diff_id: DiffId::new(digest),
        compression,
        entries: applied.entries,
        size: applied.size,
        skipped: applied.skipped,
        opaque_root: applied.opaque_root,
        has_root_entry: applied.has_root_entry,
        implied_directories: applied.implied_directories,
        lower_links: applied.lower_links,
    })
}

fn apply(
    chunks: &mut dyn Chunks,
    into: BorrowedFd<'_>,
    options: &UnpackOptions,
    progress: &UnpackProgress,
) -> Result<apply::Applied, UnpackError> {
    let mut reader = TarReader::new(chunks, &options.limits);
    let applier = Applier::new(into, options, progress)?;
    let what = applier.apply_all(&mut reader)?;
    reader.drain()?;
    Ok(what)
}
