//! The flattened root file system of an image, in a directory of the user's.
//!
//! The layers' own tars are applied one over the other, from the stored blobs and not from the unpacked
//! layers: what comes out is what the specification says, and every byte of it is verified once more on
//! the way.

mod filling;

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use windlass_archive::{self as archive, Ownership, SkippedItems, UnpackMode, UnpackOptions};
use windlass_oci::{DiffId, Digest, ImageName};
use windlass_operation::{BlockingContext, Cancelled, Operation};
use windlass_store::{FindError, Image, ReadError};

use crate::Engine;
pub(crate) use filling::Filling;

/// What [`Engine::unpack`] made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnpackSummary {
    /// Layers that were applied.
    pub layers: u64,
    /// Tar entries in them.
    pub entries: u64,
    /// Bytes of file content that were written, those that a higher layer replaced included.
    pub size: u64,
    /// What could not be made by this user.
    pub skipped: SkippedItems,
}

/// Why an image could not be unpacked. The directory is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UnpackImageError {
    /// There is no such image, or more than one.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A layer's blob could not be read.
    #[error(transparent)]
    Blob(#[from] ReadError),
    /// The directory holds something already, or another `unpack` is about to fill it.
    #[error("{} is not empty", .path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The directory could not be made or used.
    #[error("cannot {action} {}", .path.display())]
    Directory {
        /// What was tried.
        action: &'static str,
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A layer could not be applied.
    #[error("layer {digest}")]
    Layer {
        /// The layer's blob.
        digest: Digest,
        /// Why.
        source: archive::UnpackError,
    },
    /// A stored blob is not what it was when it was pulled.
    #[error("layer {digest} is damaged on disk: its tar has diff ID {actual}, not {expected}")]
    Damaged {
        /// The layer's blob.
        digest: Digest,
        /// What it was when it was pulled.
        expected: DiffId,
        /// What it is now.
        actual: DiffId,
    },
    /// Unpacking was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl From<Cancelled> for UnpackImageError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl Engine {
    /// Unpacks the root file system of an image into the directory `into`, which is made if need be and
    /// must be empty if it is there (an empty `lost+found` does not count).
    ///
    /// Owners, modes, times and attributes are exact as root; an ordinary user gets files of its own, and no devices.
    /// After an error or a cancellation what was unpacked is removed again.
    pub fn unpack(
        &self,
        name: &ImageName,
        into: &Path,
    ) -> Operation<Infallible, UnpackSummary, UnpackImageError> {
        let (name, into) = (name.clone(), into.to_owned());
        self.operation(move |engine, context| {
            let image = engine.store.image(&name)?;
            let filling = Filling::begin(&into)?;
            let summary = engine.flatten(&image, filling.directory(), context)?;
            context.begin_commit()?;
            filling.keep();
            Ok(summary)
        })
    }

    /// Applies the layers of `image` over each other in the directory `into`.
    pub(crate) fn flatten(
        &self,
        image: &Image,
        into: BorrowedFd<'_>,
        context: &BlockingContext<Infallible>,
    ) -> Result<UnpackSummary, UnpackImageError> {
        let ownership = Ownership::for_current_process();
        let options = UnpackOptions {
            mode: UnpackMode::Flatten,
            ownership,
            ..UnpackOptions::default()
        };
        let mut summary = UnpackSummary::default();
        for layer in &image.layers {
            let digest = layer.stored_blob.unwrap_or(layer.blob);
            let (file, _) = self.store.open_blob(&digest)?;
            let blob = context.reader(file);
            let progress = archive::UnpackProgress::default();
            let unpacked = archive::unpack(blob, into, &options, &progress);
            let unpacked = unpacked.map_err(|source| match context.is_cancelled() {
                true => UnpackImageError::Cancelled,
                false => UnpackImageError::Layer { digest, source },
            })?;
            if unpacked.diff_id != layer.diff_id {
                let (expected, actual) = (layer.diff_id, unpacked.diff_id);
                return Err(UnpackImageError::Damaged {
                    digest,
                    expected,
                    actual,
                });
            }
            summary.add(&unpacked);
        }
        Ok(summary)
    }
}

impl UnpackSummary {
    fn add(&mut self, unpacked: &archive::UnpackedLayer) {
        self.layers += 1;
        self.entries += unpacked.entries;
        self.size += unpacked.size;
        self.skipped.devices += unpacked.skipped.devices;
        self.skipped.xattrs += unpacked.skipped.xattrs;
    }
}
