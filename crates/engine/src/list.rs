//! Lists images, tags and removes them, and reports disk usage.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use windlass_oci::{Digest, ImageId, ImageName, Platform, Reference};
use windlass_store::{Amount, Image, MeasuredStore, PartialBlob};

use crate::Engine;
use crate::error::{RemoveError, StoreError, TagImageError};
use crate::mount::mounts;

use windlass_store::{ContentLease, RemoveOptions};

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

/// An item that [`Engine::remove`] removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Removed {
    /// A name, in its short form.
    Untagged(String),
    /// An image (its ID) or a layer of it (its chain ID).
    Deleted(Digest),
}

/// The result of [`Engine::remove`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The removed items, in order.
    pub removed: Vec<Removed>,
    /// The freed space in bytes, as `du` counts it.
    pub freed: u64,
}

/// The size of one image, in bytes of file content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUsage {
    /// The image.
    pub image: ImageSummary,
    /// The part of its size in layers that other images share.
    pub shared: u64,
    /// The part of its size that no other image shares.
    pub unique: u64,
}

/// The disk usage of the store, by kind of content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskUsage {
    /// Images, by the file content of their layers; a shared layer counts once.
    pub images: Usage,
    /// Each image, the last pulled first.
    pub each_image: Vec<ImageUsage>,
    /// Unpacked layers, by their file content.
    pub layers: Usage,
    /// Manifests, configs and compressed layers.
    pub blobs: Usage,
    /// Incomplete blobs, of running and interrupted downloads.
    pub partial: Usage,
    /// The incomplete blobs that the next pull can resume, the oldest first.
    pub partial_blobs: Vec<PartialBlob>,
}

/// The amount of content of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The number of items.
    pub count: u64,
    /// Their size in bytes.
    pub size: u64,
    /// The bytes that only images without a tag use; for partial blobs, all of them.
    pub reclaimable: u64,
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

    /// Removes a name, and the image with it if that was its last one (API-11).
    ///
    /// A mounted image is not removed, and keeps its last name, even by force.
    pub fn remove(&self, name: &ImageName, options: RemoveOptions) -> Result<Removal, RemoveError> {
        let _lock = self.mounting();
        let mounts = mounts()?;
        let is_mounted = |id: &ImageId| mounts.contains_key(id);
        match self.store.remove_unless(name, options, is_mounted) {
            Ok(removal) => Ok(removal.into()),
            Err(windlass_store::StoreRemoveError::InUse { id }) => {
                let at = mounts.get(&id).cloned().unwrap_or_default();
                Err(RemoveError::Mounted { at })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the disk usage of the store from its records: bytes of file content. Partial blobs are measured.
    pub fn disk_usage(&self) -> Result<DiskUsage, StoreError> {
        let usage = self.store.disk_usage()?;
        let images = Usage {
            count: usage.images.len() as u64,
            size: usage.layers.bytes,
            reclaimable: usage.layers.reclaimable,
        };
        let mut each: Vec<_> = usage.images;
        each.sort_by_key(|usage| (Reverse(usage.image.pulled), usage.image.id));
        Ok(DiskUsage {
            images,
            each_image: each.into_iter().map(ImageUsage::from).collect(),
            layers: usage.layers.into(),
            blobs: usage.blobs.into(),
            partial: usage.partials.into(),
            partial_blobs: usage.partial_blobs,
        })
    }

    /// Measures the disk usage of the store, as `du` does, by reading the metadata of every file.
    pub fn measure(&self) -> Result<MeasuredStore, StoreError> {
        Ok(self.store.measure()?)
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

impl From<windlass_store::StoredImageUsage> for ImageUsage {
    fn from(usage: windlass_store::StoredImageUsage) -> Self {
        Self {
            shared: usage.shared,
            unique: usage.unique(),
            image: usage.image.into(),
        }
    }
}

impl From<windlass_store::StoreRemoval> for Removal {
    fn from(removal: windlass_store::StoreRemoval) -> Self {
        Self {
            removed: removal.removed.into_iter().map(Removed::from).collect(),
            freed: removal.freed,
        }
    }
}

impl From<windlass_store::RemovedItem> for Removed {
    fn from(removed: windlass_store::RemovedItem) -> Self {
        match removed {
            windlass_store::RemovedItem::Untagged(name) => Self::Untagged(name.familiar()),
            windlass_store::RemovedItem::Image(id) => Self::Deleted(*id.digest()),
            windlass_store::RemovedItem::Layer { chain_id, .. } => {
                Self::Deleted(*chain_id.digest())
            }
        }
    }
}

impl From<Amount> for Usage {
    fn from(
        Amount {
            count,
            bytes,
            reclaimable,
        }: Amount,
    ) -> Self {
        Self {
            count,
            size: bytes,
            reclaimable,
        }
    }
}
