//! `windlass df`

mod record;
mod table;
mod verbose;

use std::time::SystemTime;

use windlass_error_report::OperationError;

use crate::context::Context;
use crate::error::Error;
use crate::output;
use record::UsageRecord;
use table::{partial_table, usage_table};
use verbose::VerboseReport;

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

impl Args {
    /// Prints the usage by kind.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let engine = context.open_unlocked()?;
        let usage = engine.disk_usage().map_err(OperationError::List)?;
        if self.verbose {
            let measured = engine.measure().map_err(OperationError::List)?;
            let report = VerboseReport::new(&usage, &measured);
            match self.json {
                true => output::json::line(context.out, &report.record())?,
                false => report.write(context.out)?,
            }
        } else if self.json {
            output::json::line(context.out, &UsageRecord::of(&usage))?;
        } else {
            usage_table(&usage).write(context.out)?;
            if !usage.partial_blobs.is_empty() {
                writeln!(context.out)?;
                partial_table(&usage.partial_blobs, SystemTime::now()).write(context.out)?;
            }
        }
        Ok(context.out.flush()?)
    }
}
