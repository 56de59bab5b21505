//! Exports the root file system of an image as one tar.
//!
//! The tar is made from the stored blobs, like the directory of [`unpack`](Engine::unpack), and not from the unpacked
//! layers: if windlass runs as an ordinary user, their files belong to that user, and not to the owners in the image. The store
//! keeps a blob of each layer of an image, so there is always one to read (decision 0003).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

use windlass_archive::{FlattenError, LayerFlattener, UnpackError};
use windlass_copy::{ArchiveCompression, BlobStatus, CopyContext, CopyEvent, OutputTarget};
use windlass_layout::WriteError;
use windlass_oci::{DiffId, Digest, ImageId, ImageName};
use windlass_operation::{Cancelled, Operation};
use windlass_store::{FindError, ImageLayer, ReadError};

use crate::blob_reader::BlobReader;
use crate::engine::Engine;

/// The result of [`Engine::export`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The image.
    pub image_id: ImageId,
    /// Its layers.
    pub layers: u64,
    /// The entries of the tar.
    pub entries: u64,
}

/// Why an image was not exported. The written part has no end, so that it is not a complete tar.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no such image, or the name is ambiguous.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A layer's blob could not be read.
    #[error(transparent)]
    Blob(#[from] ReadError),
    /// A blob is not a valid layer.
    #[error("layer {digest}")]
    Layer {
        /// The layer's blob.
        digest: Digest,
        /// Why.
        source: UnpackError,
    },
    /// A stored blob has changed since it was pulled.
    #[error("layer {digest} is damaged on disk: its tar has diff ID {actual}, not {expected}")]
    Damaged {
        /// The layer's blob.
        digest: Digest,
        /// Its diff ID when it was pulled.
        expected: DiffId,
        /// Its diff ID now.
        actual: DiffId,
    },
    /// The tar could not be written.
    #[error("cannot write")]
    Write(#[source] io::Error),
    /// The output file could not be created or completed.
    #[error(transparent)]
    Output(#[from] WriteError),
    /// The export was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl From<Cancelled> for ExportError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// The number of times that each layer is read: once for the headers, and once for the content.
const PASSES: u64 = 2;

/// The blobs of an image's layers while they are read.
struct Layers<'a> {
    engine: &'a Engine,
    context: &'a CopyContext,
}

impl Engine {
    /// Writes the root file system of an image as one tar. The bytes are always the same.
    ///
    /// The tar unpacks to the tree that [`Engine::unpack`] writes as root. Nothing is written before the diff ID of every
    /// layer is verified. A file appears when it is complete.
    pub fn export(
        &self,
        name: &ImageName,
        output: OutputTarget,
        compression: ArchiveCompression,
    ) -> Operation<CopyEvent, Exported, ExportError> {
        let name = name.clone();
        self.operation(move |engine, context| {
            // Checked before the file is created.
            engine.store.image(&name)?;
            let output = output.open()?;
            output.write(compression, context.cancellation(), |out| {
                engine.export_image(&name, out, context)
            })
        })
    }

    fn export_image(
        &self,
        name: &ImageName,
        mut out: &mut (dyn Write + Send),
        context: &CopyContext,
    ) -> Result<Exported, ExportError> {
        let image = self.store.image(name)?;
        let layers = Layers {
            engine: self,
            context,
        };
        layers.plan(&image.layers);
        let mut flattening = LayerFlattener::default();
        for layer in &image.layers {
            let scanned = layers.read(layer, |blob| Ok(flattening.scan_layer(blob)?))?;
            check_diff_id(layer, scanned.diff_id)?;
        }
        let mut tar = flattening.write(&mut out);
        for layer in &image.layers {
            if tar.needs_next_layer() {
                let diff_id = layers.read(layer, |blob| tar.write_layer(blob))?;
                check_diff_id(layer, diff_id)?;
            } else {
                tar.skip_next_layer();
            }
            layers.report_end(layer);
        }
        Ok(Exported {
            image_id: image.id,
            layers: image.layers.len() as u64,
            entries: tar.finish().map_err(ExportError::Write)?,
        })
    }
}

impl Layers<'_> {
    fn plan(&self, layers: &[ImageLayer]) {
        let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
        for layer in layers {
            *blobs.entry(blob_of(layer)).or_default() += PASSES * layer.blob_size;
        }
        self.context
            .send(CopyEvent::Planned(blobs.into_iter().collect()));
    }

    fn read<T>(
        &self,
        layer: &ImageLayer,
        process: impl FnOnce(BlobReader<'_, File>) -> Result<T, FlattenError>,
    ) -> Result<T, ExportError> {
        let digest = blob_of(layer);
        let (inner, _) = self.engine.store.open_blob(&digest)?;
        let blob = BlobReader {
            inner,
            digest,
            context: self.context,
        };
        process(blob).map_err(|error| {
            if self.context.is_cancelled() {
                return ExportError::Cancelled;
            }
            match error {
                FlattenError::Layer(source) => ExportError::Layer { digest, source },
                FlattenError::Write(error) => ExportError::Write(error),
            }
        })
    }

    fn report_end(&self, layer: &ImageLayer) {
        self.context.send(CopyEvent::Blob {
            digest: blob_of(layer),
            status: BlobStatus::Transferred,
        });
    }
}

fn blob_of(layer: &ImageLayer) -> Digest {
    layer.stored_blob.unwrap_or(layer.blob)
}

fn check_diff_id(layer: &ImageLayer, actual: DiffId) -> Result<(), ExportError> {
    let expected = layer.diff_id;
    if actual == expected {
        return Ok(());
    }
    Err(ExportError::Damaged {
        digest: blob_of(layer),
        expected,
        actual,
    })
}
