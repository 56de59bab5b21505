//! Reports the disk usage of the store.

use std::cmp::Reverse;

use windlass_store::{ContentUsage, MeasuredStore, PartialBlob, StoredImageUsage};

use crate::engine::Engine;
use crate::list::ImageSummary;
use crate::store_error::StoreError;

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

impl From<StoredImageUsage> for ImageUsage {
    fn from(usage: StoredImageUsage) -> Self {
        Self {
            shared: usage.shared,
            unique: usage.unique(),
            image: usage.image.into(),
        }
    }
}

impl From<ContentUsage> for Usage {
    fn from(
        ContentUsage {
            count,
            bytes,
            reclaimable,
        }: ContentUsage,
    ) -> Self {
        Self {
            count,
            size: bytes,
            reclaimable,
        }
    }
}
