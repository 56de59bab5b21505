//! Unpacks the root file system of an image into a directory of the user.
//!
//! The layers are applied over each other from the stored blobs, and not from the unpacked layers: the result is as the
//! specification defines it, and every byte is verified again.

mod error;
mod target;

use std::convert::Infallible;
use std::os::fd::BorrowedFd;
use std::path::Path;

use windlass_archive::{self as archive, Ownership, SkippedItems, UnpackMode, UnpackOptions};
use windlass_oci::ImageName;
use windlass_operation::{BlockingContext, Operation};
use windlass_store::Image;

use crate::engine::Engine;
pub use error::UnpackImageError;
pub(crate) use target::UnpackTarget;

/// The result of [`Engine::unpack`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnpackSummary {
    /// The number of applied layers.
    pub layers: u64,
    /// The number of tar entries in them.
    pub entries: u64,
    /// Bytes of written file content, including files that a higher layer replaced.
    pub size: u64,
    /// The items that this user could not create.
    pub skipped: SkippedItems,
}

impl Engine {
    /// Unpacks the root file system of an image into the directory `into`, which is created if it is missing and
    /// must be empty otherwise (an empty `lost+found` does not count).
    ///
    /// As root, owners, modes, times and attributes are exact; an ordinary user owns all files, and gets no devices.
    /// After an error or a cancellation, everything that was unpacked is removed.
    pub fn unpack(
        &self,
        name: &ImageName,
        into: &Path,
    ) -> Operation<Infallible, UnpackSummary, UnpackImageError> {
        let (name, into) = (name.clone(), into.to_owned());
        self.operation(move |engine, context| {
            let image = engine.store.image(&name)?;
            let target = UnpackTarget::open(&into)?;
            let summary = engine.flatten(&image, target.directory(), context)?;
            context.begin_commit()?;
            target.keep();
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
