//! Commits the images of an archive: all, or none.

use windlass_oci::ImageName;
use windlass_store::{NewImage, RemoveOptions};

use super::error::LoadError;
use super::incoming::IncomingImage;
use super::layers::LoadedLayers;
use crate::engine::Engine;

impl Engine {
    /// Stores all images without names, or none. Returns for each whether it was not stored before.
    pub(super) fn commit_images(
        &self,
        images: &[IncomingImage],
        layers: &LoadedLayers,
    ) -> Result<Vec<bool>, LoadError> {
        let mut committed = Vec::new();
        for image in images {
            match self.commit_image(image, layers) {
                Ok(is_new) => committed.push(is_new),
                Err(error) => {
                    self.remove_new(images, &committed);
                    return Err(error);
                }
            }
        }
        Ok(committed)
    }

    /// Removes the images that were not stored before. An image that cannot be removed has no name, and is removed by the
    /// next `prune`.
    fn remove_new(&self, images: &[IncomingImage], committed: &[bool]) {
        let new = images.iter().zip(committed).filter(|(_, is_new)| **is_new);
        for (image, _) in new {
            let id = image.id();
            let options = RemoveOptions { force: false };
            if let Err(error) = self.store.remove(&ImageName::Id(id), options) {
                tracing::warn!(%id, %error, "an image without a name is left behind");
            }
        }
    }

    /// Stores an image without a name. Returns whether it was not stored before.
    fn commit_image(
        &self,
        incoming: &IncomingImage,
        layers: &LoadedLayers,
    ) -> Result<bool, LoadError> {
        let IncomingImage { image, .. } = incoming;
        let is_new = !self.has_image(incoming.id())?;
        let put = |digest, bytes| self.put_document::<LoadError>(digest, bytes);
        let indexes = image.indexes.iter();
        let indexes = indexes.map(|(digest, bytes)| put(digest, bytes));
        let stack = incoming.layers.iter();
        let new = NewImage {
            config: put(&image.manifest.config.digest, &image.config_bytes)?,
            manifest: put(&image.descriptor.digest, &image.bytes)?,
            indexes: indexes.collect::<Result<_, _>>()?,
            artifacts: Vec::new(),
            layers: stack
                .map(|(blob, diff_id)| layers.new_layer(blob, *diff_id))
                .collect(),
            reference: None,
        };
        self.store.commit(&new)?;
        Ok(is_new)
    }
}
