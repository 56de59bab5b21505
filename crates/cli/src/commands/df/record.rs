//! The JSON output of `windlass df`.

use std::time::SystemTime;

use serde::Serialize;
use windlass::image::{DiffId, Digest, ImageId, Reference};
use windlass::store::{BlobKind, DiskUsage, ImageUsage, PartialBlob, Usage};

/// The disk usage.
#[derive(Serialize)]
pub(super) struct UsageRecord {
    pub(super) images: KindUsage,
    pub(super) layers: KindUsage,
    pub(super) blobs: KindUsage,
    pub(super) partial: KindUsage,
    pub(super) partial_blobs: Vec<PartialRecord>,
    #[serde(flatten)]
    pub(super) each: Option<EachItem>,
}

/// The usage of one kind of content.
#[derive(Serialize)]
pub(super) struct KindUsage {
    count: u64,
    size: u64,
    reclaimable: u64,
    #[serde(flatten)]
    measured: Option<OnDisk>,
}

/// The size of one kind of content on the disk, in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct OnDisk {
    pub(super) on_disk: u64,
    pub(super) reclaimable_on_disk: u64,
}

/// A partial blob, which the next pull resumes.
#[derive(Serialize)]
pub(super) struct PartialRecord {
    digest: Digest,
    size: u64,
    held: u64,
    age_seconds: u64,
}

/// Each image, layer and blob.
#[derive(Serialize)]
pub(super) struct EachItem {
    #[serde(rename = "each_image")]
    pub(super) images: Vec<ImageUsageRecord>,
    #[serde(rename = "each_layer")]
    pub(super) layers: Vec<LayerUsageRecord>,
    #[serde(rename = "each_blob")]
    pub(super) blobs: Vec<BlobUsageRecord>,
}

#[derive(Serialize)]
pub(super) struct ImageUsageRecord {
    image_id: ImageId,
    names: Vec<String>,
    created: Option<String>,
    size: u64,
    shared_size: u64,
    unique_size: u64,
}

#[derive(Serialize)]
pub(super) struct LayerUsageRecord {
    pub(super) diff_id: DiffId,
    pub(super) images: u64,
    pub(super) size: u64,
    pub(super) on_disk: u64,
    pub(super) reclaimable: bool,
}

#[derive(Serialize)]
pub(super) struct BlobUsageRecord {
    pub(super) digest: Digest,
    pub(super) kind: &'static str,
    pub(super) images: u64,
    pub(super) size: u64,
    pub(super) on_disk: u64,
    pub(super) reclaimable: bool,
}

impl UsageRecord {
    /// Returns the usage without measured sizes.
    pub(super) fn of(usage: &DiskUsage) -> Self {
        let partial_blobs = usage.partial_blobs.iter();
        Self {
            images: KindUsage::of(&usage.images),
            layers: KindUsage::of(&usage.layers),
            blobs: KindUsage::of(&usage.blobs),
            partial: KindUsage::of(&usage.partial),
            partial_blobs: partial_blobs.map(PartialRecord::of).collect(),
            each: None,
        }
    }
}

impl KindUsage {
    fn of(usage: &Usage) -> Self {
        Self {
            count: usage.count,
            size: usage.size,
            reclaimable: usage.reclaimable,
            measured: None,
        }
    }

    /// Returns the usage with its size on the disk.
    pub(super) fn measured(usage: &Usage, on_disk: OnDisk) -> Self {
        Self {
            measured: Some(on_disk),
            ..Self::of(usage)
        }
    }
}

impl PartialRecord {
    fn of(blob: &PartialBlob) -> Self {
        let age = SystemTime::now().duration_since(blob.modified);
        Self {
            digest: blob.digest,
            size: blob.size,
            held: blob.stored,
            age_seconds: age.unwrap_or_default().as_secs(),
        }
    }
}

impl ImageUsageRecord {
    pub(super) fn of(usage: &ImageUsage) -> Self {
        let image = &usage.image;
        let names = image.names.iter().chain(&image.digests);
        Self {
            image_id: image.id,
            names: names.map(Reference::familiar).collect(),
            created: image.created.clone(),
            size: image.size,
            shared_size: usage.shared,
            unique_size: usage.unique,
        }
    }
}

/// Returns the name of a kind of blob.
pub(super) fn blob_kind(kind: BlobKind) -> &'static str {
    match kind {
        BlobKind::Config => "config",
        BlobKind::Manifest => "manifest",
        BlobKind::Layer => "layer",
        BlobKind::Index => "index",
    }
}
