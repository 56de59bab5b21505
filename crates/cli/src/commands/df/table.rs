//! The tables of `windlass df`.

use std::time::SystemTime;

use windlass::store::{DiskUsage, PartialBlob};
use windlass_progress::human;

use crate::output::table::Table;

/// Returns the usage by kind.
pub(super) fn usage_table(usage: &DiskUsage) -> Table<4> {
    let mut table = Table::new(["TYPE", "TOTAL", "SIZE", "RECLAIMABLE"]);
    for (kind, usage) in [
        ("Images", &usage.images),
        ("Layers", &usage.layers),
        ("Blobs", &usage.blobs),
        ("Partial downloads", &usage.partial),
    ] {
        table.push([
            kind.to_owned(),
            usage.count.to_string(),
            human::usage_size(usage.size),
            share(usage.reclaimable, usage.size),
        ]);
    }
    table
}

/// Returns the table of partial blobs, which the next pulls resume.
pub(super) fn partial_table(blobs: &[PartialBlob], now: SystemTime) -> Table<4> {
    let mut table = Table::new(["PARTIAL DOWNLOAD", "DOWNLOADED", "SIZE", "LAST CHANGED"]);
    for blob in blobs {
        let age = now.duration_since(blob.modified);
        table.push([
            blob.digest.short(),
            human::usage_size(blob.stored),
            human::usage_size(blob.size),
            human::age(age.unwrap_or_default()),
        ]);
    }
    table
}

/// Formats the size of a part and its share in percent, like Docker.
pub(super) fn share(part: u64, all: u64) -> String {
    let size = human::usage_size(part);
    match u128::from(all) {
        0 => size,
        all => format!("{size} ({}%)", u128::from(part) * 100 / all),
    }
}
