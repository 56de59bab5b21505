//! `windlass df --verbose`: each image, layer and blob, and sizes on the disk.

use std::io::{self, Write};
use std::time::SystemTime;

use serde::Serialize;
use windlass::image::{DiffId, Digest, ImageId, ImageSummary};
use windlass::store::{BlobKind, DiskUsage, ImageUsage, MeasuredStore, Usage};

use super::{KindUsage, UsageRecord, partial_table, share};
use crate::output::table::Table;
use crate::output::{human, time};

const NONE: &str = "<none>";

/// The detailed disk usage.
pub(super) struct VerboseReport<'a> {
    usage: &'a DiskUsage,
    measured: &'a MeasuredStore,
    layers: OnDisk,
    blobs: OnDisk,
    partial: OnDisk,
}

/// The size of one kind of content on the disk, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct OnDisk {
    on_disk: u64,
    reclaimable_on_disk: u64,
}

/// Each image, layer and blob, as JSON.
#[derive(Serialize)]
pub(super) struct EachItem {
    #[serde(rename = "each_image")]
    images: Vec<ImageUsageRecord>,
    #[serde(rename = "each_layer")]
    layers: Vec<LayerUsageRecord>,
    #[serde(rename = "each_blob")]
    blobs: Vec<BlobUsageRecord>,
}

#[derive(Serialize)]
struct ImageUsageRecord {
    image_id: ImageId,
    names: Vec<String>,
    created: Option<String>,
    size: u64,
    shared_size: u64,
    unique_size: u64,
}

#[derive(Serialize)]
struct LayerUsageRecord {
    diff_id: DiffId,
    images: u64,
    size: u64,
    on_disk: u64,
    reclaimable: bool,
}

#[derive(Serialize)]
struct BlobUsageRecord {
    digest: Digest,
    kind: &'static str,
    images: u64,
    size: u64,
    on_disk: u64,
    reclaimable: bool,
}

impl<'a> VerboseReport<'a> {
    pub(super) fn new(usage: &'a DiskUsage, measured: &'a MeasuredStore) -> Self {
        let layers = measured.layers.iter().filter(|layer| layer.is_reclaimable);
        let blobs = measured.blobs.iter().filter(|blob| blob.is_reclaimable);
        Self {
            layers: OnDisk {
                on_disk: measured.layers_on_disk,
                reclaimable_on_disk: layers.map(|layer| layer.on_disk).sum(),
            },
            blobs: OnDisk {
                on_disk: measured.blobs_on_disk,
                reclaimable_on_disk: blobs.map(|blob| blob.on_disk).sum(),
            },
            partial: OnDisk {
                on_disk: measured.partials_on_disk,
                reclaimable_on_disk: usage.partial.reclaimable,
            },
            usage,
            measured,
        }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Images:")?;
        self.images().write(out)?;
        writeln!(out, "\nLayers:")?;
        self.layers().write(out)?;
        writeln!(out, "\nBlobs:")?;
        self.blobs().write(out)?;
        if !self.usage.partial_blobs.is_empty() {
            writeln!(out, "\nPartial downloads:")?;
            partial_table(&self.usage.partial_blobs, SystemTime::now()).write(out)?;
        }
        writeln!(out, "\nOn the disk:")?;
        self.on_disk().write(out)
    }

    fn images(&self) -> Table<7> {
        let mut table = Table::new([
            "REPOSITORY",
            "TAG",
            "IMAGE ID",
            "CREATED",
            "SIZE",
            "SHARED SIZE",
            "UNIQUE SIZE",
        ]);
        for usage in &self.usage.each_image {
            for [repository, tag] in names(&usage.image) {
                table.push([
                    repository,
                    tag,
                    usage.image.id.short(),
                    { usage.image.created.as_deref() }.map_or_else(|| "N/A".to_owned(), time::age),
                    human::table_size(usage.image.size),
                    human::table_size(usage.shared),
                    human::table_size(usage.unique),
                ]);
            }
        }
        table
    }

    fn layers(&self) -> Table<4> {
        let mut table = Table::new(["LAYER", "IMAGES", "SIZE", "ON DISK"]);
        for layer in &self.measured.layers {
            table.push([
                layer.diff_id.digest().short(),
                layer.images.to_string(),
                human::table_size(layer.size),
                human::table_size(layer.on_disk),
            ]);
        }
        table
    }

    fn blobs(&self) -> Table<5> {
        let mut table = Table::new(["BLOB", "KIND", "IMAGES", "SIZE", "ON DISK"]);
        for blob in &self.measured.blobs {
            table.push([
                blob.digest.short(),
                kind(blob.kind).to_owned(),
                blob.images.to_string(),
                human::table_size(blob.size),
                human::table_size(blob.on_disk),
            ]);
        }
        table
    }

    fn on_disk(&self) -> Table<5> {
        let mut table = Table::new(["TYPE", "TOTAL", "SIZE", "ON DISK", "RECLAIMABLE"]);
        let (mut total, mut total_on_disk) = (Usage::default(), OnDisk::none());
        for (name, usage, on_disk) in [
            ("Layers", self.usage.layers, self.layers),
            ("Blobs", self.usage.blobs, self.blobs),
            ("Partial downloads", self.usage.partial, self.partial),
        ] {
            table.push(row(name, &usage, &on_disk));
            total.count += usage.count;
            total.size += usage.size;
            total_on_disk.on_disk += on_disk.on_disk;
            total_on_disk.reclaimable_on_disk += on_disk.reclaimable_on_disk;
        }
        table.push(row("All", &total, &total_on_disk));
        table
    }

    pub(super) fn record(&self) -> UsageRecord {
        let measured = |usage: &Usage, on_disk| KindUsage {
            measured: Some(on_disk),
            ..KindUsage::of(usage)
        };
        UsageRecord {
            layers: measured(&self.usage.layers, self.layers),
            blobs: measured(&self.usage.blobs, self.blobs),
            partial: measured(&self.usage.partial, self.partial),
            each: Some(self.each()),
            ..UsageRecord::of(self.usage)
        }
    }

    fn each(&self) -> EachItem {
        let layers = self.measured.layers.iter().map(|layer| LayerUsageRecord {
            diff_id: layer.diff_id,
            images: layer.images,
            size: layer.size,
            on_disk: layer.on_disk,
            reclaimable: layer.is_reclaimable,
        });
        let blobs = self.measured.blobs.iter().map(|blob| BlobUsageRecord {
            digest: blob.digest,
            kind: kind(blob.kind),
            images: blob.images,
            size: blob.size,
            on_disk: blob.on_disk,
            reclaimable: blob.is_reclaimable,
        });
        EachItem {
            images: self
                .usage
                .each_image
                .iter()
                .map(ImageUsageRecord::of)
                .collect(),
            layers: layers.collect(),
            blobs: blobs.collect(),
        }
    }
}

impl OnDisk {
    const fn none() -> Self {
        Self {
            on_disk: 0,
            reclaimable_on_disk: 0,
        }
    }
}

impl ImageUsageRecord {
    fn of(usage: &ImageUsage) -> Self {
        let image = &usage.image;
        let names = image.names.iter().chain(&image.digests);
        Self {
            image_id: image.id,
            names: names.map(windlass::image::Reference::familiar).collect(),
            created: image.created.clone(),
            size: image.size,
            shared_size: usage.shared,
            unique_size: usage.unique,
        }
    }
}

fn row(name: &str, usage: &Usage, on_disk: &OnDisk) -> [String; 5] {
    [
        name.to_owned(),
        usage.count.to_string(),
        human::usage_size(usage.size),
        human::usage_size(on_disk.on_disk),
        share(on_disk.reclaimable_on_disk, on_disk.on_disk),
    ]
}

/// Returns repository and tag of each row: one for each tag, or for each repository that has only digests.
fn names(image: &ImageSummary) -> Vec<[String; 2]> {
    let none = || NONE.to_owned();
    let row = |name: &windlass::image::Reference| {
        let tag = name.tag().map_or_else(none, ToString::to_string);
        [name.repository().familiar(), tag]
    };
    let names = match image.names.is_empty() {
        true => &image.digests,
        false => &image.names,
    };
    match names.is_empty() {
        true => vec![[none(), none()]],
        false => names.iter().map(row).collect(),
    }
}

fn kind(kind: BlobKind) -> &'static str {
    match kind {
        BlobKind::Config => "config",
        BlobKind::Manifest => "manifest",
        BlobKind::Layer => "layer",
        BlobKind::Index => "index",
    }
}
