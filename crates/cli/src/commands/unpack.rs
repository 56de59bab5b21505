//! `windlass unpack`

use std::path::PathBuf;

use windlass::UnpackSummary;
use windlass::text::escape;
use windlass_error_report::OperationError;
use windlass_progress::{ProgressMode, human};

use super::CommandOutcome;
use super::shared_args::parse_image_name;
use crate::context::Context;
use crate::error::Error;
use crate::operation::{OperationOutcome, OperationRunner};
use crate::output::message::note;

/// Unpack an image's root filesystem into a directory
///
/// Writes the merged layers with their owners, modes, times, links and extended attributes. Without root, all files
/// belong to the current user, and device nodes are skipped.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo windlass unpack alpine ./rootfs
  windlass unpack --root ~/images alpine ./rootfs")]
pub(crate) struct Args {
    /// Name or ID of the image
    #[arg(value_name = "REF")]
    name: String,

    /// Directory to write to; must be empty or missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Args {
    /// Unpacks the image.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let name = parse_image_name(&self.name)?;
        let engine = context.open_shared()?;
        let runner = OperationRunner::new(ProgressMode::Silent)?;
        match runner.run_quietly(engine.unpack(&name, &self.directory)) {
            OperationOutcome::Completed(summary) => {
                note(&self.summary_text(&summary));
                Ok(CommandOutcome::Success)
            }
            OperationOutcome::Interrupted(signal) => {
                let directory = self.directory.to_string_lossy();
                note(&format!(
                    "Stopped. Nothing was left in {}.",
                    escape(&directory)
                ));
                Ok(CommandOutcome::Interrupted(signal))
            }
            OperationOutcome::Failed(source) => Err(OperationError::Unpack {
                name: self.name.clone(),
                directory: self.directory.clone(),
                source,
            }
            .into()),
        }
    }

    fn summary_text(&self, summary: &UnpackSummary) -> String {
        format!(
            "Unpacked {} into {}: {}, {}, {}",
            escape(&self.name),
            escape(&self.directory.to_string_lossy()),
            human::count(summary.layers, "layer"),
            human::count(summary.entries, "entry"),
            human::amount(summary.size)
        )
    }
}
