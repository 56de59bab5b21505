//! Leases the stored layers of the images to load, and unpacks the missing ones.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use windlass_archive::Ownership;
use windlass_copy::{BlobStatus, ContentSource as _, CopyContext, CopyEvent, for_each_parallel};
use windlass_layout::{Layout, VerifyingReader};
use windlass_oci::{Descriptor, DiffId, Digest};
use windlass_pull::{ExpectedLayer, LocalLayer, LocalLayerError, unpack_local_layer};
use windlass_store::{BlobSource, Layer, LayerError, LayerSource, NewLayer};

use super::error::LoadError;
use super::incoming::IncomingImage;
use crate::blob_reader::BlobReader;
use crate::engine::Engine;

/// The layers of all images to load.
#[derive(Default)]
pub(super) struct LoadedLayers {
    /// Leases on the layers that were stored before.
    stored: HashMap<DiffId, Layer>,
    /// The others, by blob and verified diff ID: two images of an archive may claim different diff IDs for one blob.
    unpacked: HashMap<(Digest, DiffId), LocalLayer>,
}

impl LoadedLayers {
    /// Returns the layer to commit.
    pub(super) fn new_layer(&self, blob: &Descriptor, diff_id: DiffId) -> NewLayer {
        let (layer, new_blob) = match self.stored.get(&diff_id) {
            Some(layer) => (LayerSource::Stored(layer.clone()), None),
            None => {
                let unpacked = &self.unpacked[&(blob.digest, diff_id)];
                let new_blob = BlobSource::New(unpacked.blob.clone());
                (LayerSource::New(unpacked.layer.clone()), Some(new_blob))
            }
        };
        NewLayer {
            layer,
            digest: blob.digest,
            size: blob.size,
            blob: new_blob,
        }
    }

    /// Returns the layers that are not stored, each once, base layers first.
    fn missing(&self, images: &[IncomingImage]) -> Vec<(Descriptor, DiffId)> {
        let mut listed = HashSet::new();
        let all = images.iter().flat_map(|image| &image.layers);
        let missing = all.filter(|(_, diff_id)| !self.stored.contains_key(diff_id));
        missing
            .filter(|(blob, diff_id)| listed.insert((blob.digest, *diff_id)))
            .cloned()
            .collect()
    }
}

impl Engine {
    /// Leases the layers that are stored already, and unpacks the others, several at a time.
    pub(super) fn load_layers(
        &self,
        layout: &Layout,
        images: &[IncomingImage],
        context: &CopyContext,
    ) -> Result<LoadedLayers, LoadError> {
        let mut layers = LoadedLayers {
            stored: self.lease_layers(images)?,
            unpacked: HashMap::new(),
        };
        let missing = layers.missing(images);
        let blobs = missing.iter().map(|(blob, _)| (blob.digest, blob.size));
        context.send(CopyEvent::Planned(blobs.collect()));
        let unpacked = Mutex::new(HashMap::new());
        for_each_parallel(
            &missing,
            self.concurrent_unpacks,
            context.cancellation(),
            |(blob, diff_id)| {
                let layer = self.load_layer(layout, blob, *diff_id, context)?;
                let mut unpacked = unpacked.lock().unwrap_or_else(PoisonError::into_inner);
                unpacked.insert((blob.digest, *diff_id), layer);
                Ok::<_, LoadError>(())
            },
        )?;
        layers.unpacked = unpacked
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(layers)
    }

    fn lease_layers(&self, images: &[IncomingImage]) -> Result<HashMap<DiffId, Layer>, LayerError> {
        let mut stored = HashMap::new();
        for (_, diff_id) in images.iter().flat_map(|image| &image.layers) {
            if !stored.contains_key(diff_id)
                && let Some(layer) = self.store.layer(diff_id)?
            {
                stored.insert(*diff_id, layer);
            }
        }
        Ok(stored)
    }

    /// Unpacks a layer, and verifies the digest of its blob and its diff ID.
    fn load_layer(
        &self,
        layout: &Layout,
        blob: &Descriptor,
        diff_id: DiffId,
        context: &CopyContext,
    ) -> Result<LocalLayer, LoadError> {
        let digest = blob.digest;
        let failed = |source| match context.is_cancelled() {
            true => LoadError::Cancelled,
            false => LoadError::Layer {
                digest,
                source: Box::new(source),
            },
        };
        let report = |status| context.send(CopyEvent::Blob { digest, status });
        report(BlobStatus::Transferring);
        let inner = layout.open(blob, 0);
        let inner = inner.map_err(|error| failed(LocalLayerError::Read(error)))?;
        let reader = BlobReader {
            inner,
            digest,
            context,
        };
        let expected = ExpectedLayer {
            blob: Some(digest),
            diff_id: Some(diff_id),
        };
        let layer = unpack_local_layer(
            &self.store,
            VerifyingReader::new(reader, digest, blob.size),
            expected,
            Ownership::for_current_process(),
        );
        let layer = layer.map_err(failed)?;
        report(BlobStatus::Transferred);
        Ok(layer)
    }
}
