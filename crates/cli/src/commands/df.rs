//! `windlass df`

mod verbose;

use std::time::{Duration, SystemTime};

use serde::Serialize;
use windlass::image::Digest;
use windlass::store::{DiskUsage, PartialBlob, Usage};
use windlass_error_report::OperationError;

use crate::context::Context;
use crate::error::Error;
use crate::output;
use crate::output::human;
use crate::output::table::Table;

/// Show disk usage
///
/// Sizes are those of the content of layers and blobs. With --verbose, the size of all files on the disk is measured,
/// too, like `du` does. The reclaimable size is what `windlass prune` would free.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass df
  windlass df -v                                  Each image, layer and blob, and sizes on the disk
  windlass df --json | jq .layers.size
  windlass df -v --json | jq .layers.on_disk")]
pub(crate) struct Args {
    /// Show each image, layer and blob, and measure sizes on the disk
    #[arg(short, long)]
    verbose: bool,

    /// Print one JSON object, with sizes in bytes
    #[arg(long)]
    json: bool,
}

/// The disk usage, as JSON.
#[derive(Serialize)]
struct UsageRecord {
    images: KindUsage,
    layers: KindUsage,
    blobs: KindUsage,
    partial: KindUsage,
    partial_blobs: Vec<PartialRecord>,
    #[serde(flatten)]
    each: Option<verbose::EachItem>,
}

/// A partial blob, which the next pull resumes.
#[derive(Serialize)]
struct PartialRecord {
    digest: Digest,
    size: u64,
    held: u64,
    age_seconds: u64,
}

#[derive(Serialize)]
struct KindUsage {
    count: u64,
    size: u64,
    reclaimable: u64,
    #[serde(flatten)]
    measured: Option<verbose::OnDisk>,
}

impl Args {
    /// Prints the usage by kind.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let engine = context.look()?;
        let usage = engine.disk_usage().map_err(OperationError::List)?;
        if self.verbose {
            let measured = engine.measure().map_err(OperationError::List)?;
            let report = verbose::VerboseReport::new(&usage, &measured);
            match self.json {
                true => output::json::line(context.out, &report.record())?,
                false => report.write(context.out)?,
            }
        } else if self.json {
            output::json::line(context.out, &UsageRecord::of(&usage))?;
        } else {
            table(&usage).write(context.out)?;
            if !usage.partial_blobs.is_empty() {
                writeln!(context.out)?;
                partial_table(&usage.partial_blobs, SystemTime::now()).write(context.out)?;
            }
        }
        Ok(context.out.flush()?)
    }
}

fn table(usage: &DiskUsage) -> Table<4> {
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
            reclaimable(usage),
        ]);
    }
    table
}

/// Returns the table of partial blobs, which the next pulls resume.
fn partial_table(blobs: &[PartialBlob], now: SystemTime) -> Table<4> {
    let mut table = Table::new(["PARTIAL DOWNLOAD", "HERE", "OF", "LAST GROWN"]);
    for blob in blobs {
        table.push([
            blob.digest.short(),
            human::usage_size(blob.stored),
            human::usage_size(blob.size),
            human::age(age(blob, now)),
        ]);
    }
    table
}

fn age(blob: &PartialBlob, now: SystemTime) -> Duration {
    now.duration_since(blob.modified).unwrap_or_default()
}

/// Formats the size and its share in percent, like Docker.
fn reclaimable(usage: &Usage) -> String {
    share(usage.reclaimable, usage.size)
}

fn share(part: u64, all: u64) -> String {
    let size = human::usage_size(part);
    match u128::from(all) {
        0 => size,
        all => format!("{size} ({}%)", u128::from(part) * 100 / all),
    }
}

impl UsageRecord {
    fn of(usage: &DiskUsage) -> Self {
        Self {
            images: KindUsage::of(&usage.images),
            layers: KindUsage::of(&usage.layers),
            blobs: KindUsage::of(&usage.blobs),
            partial: KindUsage::of(&usage.partial),
            partial_blobs: { usage.partial_blobs.iter() }
                .map(|blob| PartialRecord {
                    digest: blob.digest,
                    size: blob.size,
                    held: blob.stored,
                    age_seconds: age(blob, SystemTime::now()).as_secs(),
                })
                .collect(),
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
}
