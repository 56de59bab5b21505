//! Lists and tags images, and reads their documents.

use windlass_oci::{Digest, ImageId, ImageName, Platform, Reference};
use windlass_store::{ContentLease, Image, TagImageError};

use crate::engine::Engine;
use crate::store_error::StoreError;

/// An image in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSummary {
    /// The image.
    pub id: ImageId,
    /// Its tags, in order.
    pub names: Vec<Reference>,
    /// Its digest references, in order.
    pub digests: Vec<Reference>,
    /// When it was created, as recorded in its config.
    pub created: Option<String>,
    /// Bytes of file content in its layers.
    pub size: u64,
    /// Its platform.
    pub platform: Platform,
    /// The digest of the manifest or index that it was pulled by.
    pub target: Digest,
    /// When it was stored, in seconds since 1970.
    pub pulled: u64,
}

impl Engine {
    /// Returns all images, the last pulled first.
    pub fn images(&self) -> Result<Vec<ImageSummary>, StoreError> {
        Ok(self
            .store
            .images()?
            .into_iter()
            .map(ImageSummary::from)
            .collect())
    }

    /// Returns the image with this name.
    pub fn image(&self, name: &ImageName) -> Result<ImageSummary, StoreError> {
        Ok(self.store.image(name)?.into())
    }

    /// Reads a stored manifest, index or config, and verifies its digest.
    pub fn read_document(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        Ok(self.store.read_blob(digest)?)
    }

    /// Takes a lease on everything that the store contains now (R6). Until it is dropped, names can be removed, but no
    /// image content; content without a name is deleted by the first removal after the lease has ended.
    pub fn lease(&self) -> Result<ContentLease, StoreError> {
        Ok(self.store.lease_all()?)
    }

    /// Adds a tag to an image; a tag of another image is moved.
    pub fn tag(&self, source: &ImageName, target: &Reference) -> Result<(), TagImageError> {
        self.store.tag(source, target).map(drop)
    }
}

impl From<Image> for ImageSummary {
    fn from(image: Image) -> Self {
        Self {
            id: image.id,
            size: image.size(),
            target: *image.target(),
            pulled: image.pulled,
            names: image.tags.into_iter().map(|tag| tag.reference).collect(),
            digests: image.digests,
            created: image.created,
            platform: image.platform,
        }
    }
}
