//! Unpacks and stores a layer whose blob is read from this machine: from an archive or a pipe.

use std::io::{self, Read};

use windlass_archive::{
    self as archive, HidingForm, Ownership, UnpackError, UnpackOptions, UnpackedLayer,
};
use windlass_oci::{Algorithm, DiffId, Digest};
use windlass_store::{
    BlobDraft, BlobWriter, FileError, FinishedLayer, LayerError, PutError, Store,
};

use crate::layer_metadata::finish_layer;

/// A layer that is verified and unpacked, but not visible yet.
#[derive(Clone, Debug)]
pub struct LocalLayer {
    /// The blob.
    pub blob: BlobDraft,
    /// The unpacked files.
    pub layer: FinishedLayer,
    /// The digest of the tar.
    pub diff_id: DiffId,
    /// The compression of the blob.
    pub compression: archive::Compression,
}

/// The digests that a layer must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedLayer {
    /// The digest of the blob; `None` accepts any.
    pub blob: Option<Digest>,
    /// The digest of the tar; `None` accepts any.
    pub diff_id: Option<DiffId>,
}

/// Why a layer could not be unpacked and stored. Nothing of the layer is left.
#[derive(Debug, thiserror::Error)]
pub enum LocalLayerError {
    /// The blob could not be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// The blob could not be stored.
    #[error(transparent)]
    Put(#[from] PutError),
    /// The blob could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// The layer cannot be unpacked.
    #[error("it cannot be unpacked")]
    Unpack(#[source] UnpackError),
    /// The layer could not be stored.
    #[error(transparent)]
    Store(#[from] LayerError),
    /// The diff ID of the tar is not the one in the image's config.
    #[error("its diff ID is {actual}, but the config has {expected}")]
    DiffId {
        /// The diff ID in the config.
        expected: DiffId,
        /// The diff ID of the tar.
        actual: DiffId,
    },
}

/// Reads from a reader, and appends the bytes to a blob.
struct TeeReader<'a, R> {
    source: R,
    blob: &'a mut BlobWriter,
    failure: &'a mut Option<TeeFailure>,
}

/// The operation of a [`TeeReader`] that failed.
enum TeeFailure {
    Read(io::Error),
    Write(FileError),
}

/// Reads the blob of a layer from `source` to its end, unpacks it, and stores blob and files. Blocks.
pub fn unpack_local_layer(
    store: &Store,
    source: impl Read + Send,
    expected: ExpectedLayer,
    ownership: Ownership,
) -> Result<LocalLayer, LocalLayerError> {
    let algorithm = expected
        .blob
        .map_or(Algorithm::Sha256, |blob| blob.algorithm());
    let mut blob = store.draft_blob(algorithm)?;
    let draft = store.draft_layer()?;
    let options = UnpackOptions {
        ownership,
        hiding: Some(HidingForm::probe(draft.dir(), ownership.usual_hiding())),
        ..UnpackOptions::default()
    };
    let mut failure = None;
    let mut tee = TeeReader {
        source,
        blob: &mut blob,
        failure: &mut failure,
    };
    let progress = archive::UnpackProgress::default();
    let unpacked = archive::unpack(&mut tee, draft.dir(), &options, &progress);
    let unpacked = match (unpacked, failure) {
        (_, Some(TeeFailure::Read(error))) => return Err(LocalLayerError::Read(error)),
        (_, Some(TeeFailure::Write(error))) => return Err(error.into()),
        (Err(error), None) => return Err(LocalLayerError::Unpack(error)),
        (Ok(unpacked), None) => unpacked,
    };
    let blob = match &expected.blob {
        Some(digest) => blob.finish_as(digest)?,
        None => blob.finish(),
    };
    let UnpackedLayer {
        diff_id,
        compression,
        ..
    } = unpacked;
    if let Some(expected) = expected.diff_id
        && expected != diff_id
    {
        let actual = diff_id;
        return Err(LocalLayerError::DiffId { expected, actual });
    }
    let layer = finish_layer(draft, unpacked)?;
    Ok(LocalLayer {
        blob,
        layer,
        diff_id,
        compression,
    })
}

impl<R: Read> Read for TeeReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.source.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let kind = error.kind();
                *self.failure = Some(TeeFailure::Read(error));
                return Err(kind.into());
            }
        };
        if let Err(error) = self.blob.append(&buffer[..read]) {
            *self.failure = Some(TeeFailure::Write(error));
            return Err(io::Error::other("the blob cannot be written"));
        }
        Ok(read)
    }
}
