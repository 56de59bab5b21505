//! Unpacks one layer: decompresses the blob, hashes its tar and applies the entries.

use std::io::Read;
use std::os::fd::BorrowedFd;

use windlass_oci::{Algorithm, DiffId, Hasher};

use crate::apply::{AppliedEntries, Applier};
use crate::chunks::ChunkSource;
use crate::decompress::Decoder;
use crate::error::UnpackError;
use crate::options::UnpackOptions;
use crate::pipeline;
use crate::progress::UnpackProgress;
use crate::tar::TarReader;
use crate::unpacked::UnpackedLayer;

/// Unpacks the layer `blob` beneath the directory `into`.
///
/// `blob` is read to its end, also behind the end of the tar and of the compressed stream, so that a reader
/// which hashes the blob covers every byte. An empty blob is an empty layer. A read error ends the call; this
/// is how a caller cancels it. When an entry fails, the call returns after the read that is in progress.
///
/// Nothing outside `into` is read or changed, whatever the layer contains. After an error the content of
/// `into` is unspecified and should be removed.
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
        hides_unusually: applied.hides_unusually,
        has_root_entry: applied.has_root_entry,
        implied_directories: applied.implied_directories,
        lower_links: applied.lower_links,
    })
}

fn apply(
    chunks: &mut dyn ChunkSource,
    into: BorrowedFd<'_>,
    options: &UnpackOptions,
    progress: &UnpackProgress,
) -> Result<AppliedEntries, UnpackError> {
    let mut reader = TarReader::new(chunks, &options.limits);
    let applier = Applier::new(into, options, progress)?;
    let applied = applier.apply_all(&mut reader)?;
    reader.drain()?;
    Ok(applied)
}
