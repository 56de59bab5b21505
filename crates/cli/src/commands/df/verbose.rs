//! `windlass df --verbose`: each image, layer and blob, and sizes on the disk.

use std::io::{self, Write};
use std::time::SystemTime;

use windlass::image::{ImageSummary, Reference};
use windlass::store::{DiskUsage, MeasuredStore, Usage};
use windlass_progress::human;

use super::record::{
    BlobUsageRecord, EachItem, ImageUsageRecord, KindUsage, LayerUsageRecord, OnDisk, UsageRecord,
    blob_kind,
};
use super::table::{partial_table, share};
use crate::output::table::Table;
use crate::output::time;

const NONE: &str = "<none>";

/// The detailed disk usage.
pub(super) struct VerboseReport<'a> {
    usage: &'a DiskUsage,
    measured: &'a MeasuredStore,
    layers: OnDisk,
    blobs: OnDisk,
    partial: OnDisk,
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
            let created = usage.image.created.as_deref();
            let created = created.map_or_else(|| "N/A".to_owned(), time::age);
            for [repository, tag] in names(&usage.image) {
                table.push([
                    repository,
                    tag,
                    usage.image.id.short(),
                    created.clone(),
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
                blob_kind(blob.kind).to_owned(),
                blob.images.to_string(),
                human::table_size(blob.size),
                human::table_size(blob.on_disk),
            ]);
        }
        table
    }

    fn on_disk(&self) -> Table<5> {
        let mut table = Table::new(["TYPE", "TOTAL", "SIZE", "ON DISK", "RECLAIMABLE"]);
        let (mut total, mut total_on_disk) = (Usage::default(), OnDisk::default());
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
        UsageRecord {
            layers: KindUsage::measured(&self.usage.layers, self.layers),
            blobs: KindUsage::measured(&self.usage.blobs, self.blobs),
            partial: KindUsage::measured(&self.usage.partial, self.partial),
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
            kind: blob_kind(blob.kind),
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
    let row = |name: &Reference| {
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
