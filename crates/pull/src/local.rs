//! A layer whose blob is here already: in an archive, or on its way through a pipe.

use std::io::{self, Read};

use windlass_archive::{self as archive, Ownership, UnpackError, UnpackOptions, UnpackedLayer};
use windlass_oci::{Algorithm, DiffId, Digest};
use windlass_store::{
    BlobDraft, BlobWriter, FileError, FinishedLayer, LayerError, PutError, Store,
};

use crate::layer::layer_metadata;

/// A layer that is verified and unpacked, and not visible yet.
#[derive(Clone, Debug)]
pub struct LocalLayer {
    /// Its blob.
    pub blob: BlobDraft,
    /// What it unpacked to.
    pub layer: FinishedLayer,
    /// What its tar hashed to.
    pub diff_id: DiffId,
    /// How its blob is compressed.
    pub compression: archive::Compression,
}

/// What a layer has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedLayer {
    /// The digest of its blob; whatever it is, where it is `None`.
    pub blob: Option<Digest>,
    /// The digest of its tar.
    pub diff_id: Option<DiffId>,
}

/// Why a layer could not be taken. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum LocalLayerError {
    /// It could not be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// Its blob could not be kept.
    #[error(transparent)]
    Put(#[from] PutError),
    /// Its blob could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// It is no layer that can be applied.
    #[error("it cannot be unpacked")]
    Unpack(#[source] UnpackError),
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] LayerError),
    /// Its tar is not the one that the image's config names.
    #[error("its tar has diff ID {actual}, but the config says {expected}")]
    DiffId {
        /// The diff ID in the config.
        expected: DiffId,
        /// What it is.
        actual: DiffId,
    },
}

/// Reads, and keeps what was read.
struct TeeReader<'a, R> {
    from: R,
    blob: &'a mut BlobWriter,
    failed: &'a mut Option<TeeFailure>,
}

/// The part that failed.
enum TeeFailure {
    Read(io::Error),
    Write(FileError),
}

/// Unpacks the layer whose blob `from` yields to its end, and keeps both. Blocks.
pub fn unpack_local_layer(
    store: &Store,
    from: impl Read + Send,
    wanted: ExpectedLayer,
    ownership: Ownership,
) -> Result<LocalLayer, LocalLayerError> {
    let algorithm = wanted
        .blob
        .map_or(Algorithm::Sha256, |blob| blob.algorithm());
    let mut blob = store.draft_blob(algorithm)?;
    let draft = store.draft_layer()?;
    let options = UnpackOptions {
        ownership,
        ..UnpackOptions::default()
    };
    let mut failed = None;
    let mut keeping = TeeReader {
        from,
        blob: &mut blob,
        failed: &mut failed,
    };
    let progress = archive::UnpackProgress::default();
    let unpacked = archive::unpack(&mut keeping, draft.dir(), &options, &progress);
    let unpacked = match (unpacked, failed) {
        (_, Some(TeeFailure::Read(error))) => return Err(LocalLayerError::Read(error)),
        (_, Some(TeeFailure::Write(error))) => return Err(error.into()),
        (Err(error), None) => return Err(LocalLayerError::Unpack(error)),
        (Ok(unpacked), None) => unpacked,
    };
    let blob = match &wanted.blob {
        Some(expected) => blob.finish_as(expected)?,
        None => blob.finish(),
    };
    let UnpackedLayer {
        diff_id,
        compression,
        ..
    } = unpacked;
    if let Some(expected) = wanted.diff_id
        && expected != diff_id
    {
        let actual = diff_id;
        return Err(LocalLayerError::DiffId { expected, actual });
    }
    let layer = draft.finish(layer_metadata(unpacked));
    Ok(LocalLayer {
        blob,
        layer,
        diff_id,
        compression,
    })
}

impl<R: Read> Read for TeeReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.from.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let kind = error.kind();
                *self.failed = Some(TeeFailure::Read(error));
                return Err(kind.into());
            }
        };
        if let Err(error) = self.blob.append(&buffer[..read]) {
            *self.failed = Some(TeeFailure::Write(error));
            return Err(io::Error::other("the blob cannot be kept"));
        }
        Ok(read)
    }
}
