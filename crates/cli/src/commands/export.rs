//! `windlass export`

use std::path::PathBuf;

use serde::Serialize;
use windlass::Exported;
use windlass::text::escape;
use windlass_error_report::OperationError;
use windlass_progress::human;

use super::CommandOutcome;
use super::archive_output::{ArchiveOutput, CompressionArg};
use super::shared_args::{OutputArgs, parse_image_name};
use crate::context::Context;
use crate::error::Error;
use crate::operation::{OperationOutcome, OperationRunner};
use crate::output;
use crate::output::message::note;

/// Export an image's root filesystem as a tar archive
///
/// The archive contains the merged layers with all owners, devices and extended attributes, without requiring root. The
/// output is reproducible.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass export -o rootfs.tar alpine:3
  windlass export -o rootfs.tar.zst alpine:3    Compressed, by the extension
  windlass export alpine:3 | tar -tv            List the files
  windlass export app:1 | windlass import - app:flat")]
pub(crate) struct Args {
    /// Name or ID of the image
    #[arg(value_name = "NAME")]
    name: String,

    /// File to write, or `-` for standard output [default: -]
    #[arg(short, long, value_name = "FILE|-")]
    output: Option<PathBuf>,

    /// Compression of the archive [default: by the extension of the file]
    #[arg(long, value_enum, value_name = "HOW")]
    compress: Option<CompressionArg>,

    #[command(flatten)]
    display: OutputArgs,
}

/// The result, as JSON.
#[derive(Serialize)]
struct ExportRecord<'a> {
    image_id: String,
    layers: u64,
    entries: u64,
    output: &'a str,
}

impl Args {
    /// Exports the image. A file appears only when it is complete.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let name = parse_image_name(&self.name)?;
        let output = self.output();
        output.check(self.display.json)?;
        let engine = context.open_shared()?;
        let runner = OperationRunner::new(self.display.mode(context))?;
        let export = engine.export(&name, output.target()?, output.compression(self.compress));
        match runner.run(&self.action("Exporting"), export) {
            OperationOutcome::Completed(exported) => {
                self.print_result(context, &exported)?;
                Ok(CommandOutcome::Success)
            }
            OperationOutcome::Interrupted(signal) => {
                note(match output.file() {
                    Some(_) => "Stopped. Nothing was written.",
                    None => "Stopped. The output is incomplete.",
                });
                Ok(CommandOutcome::Interrupted(signal))
            }
            OperationOutcome::Failed(error) => {
                Err(OperationError::transfer(self.action("exporting"), error).into())
            }
        }
    }

    fn output(&self) -> ArchiveOutput<'_> {
        ArchiveOutput::new(self.output.as_deref())
    }

    fn action(&self, verb: &str) -> String {
        self.output().action(verb, &self.name)
    }

    fn print_result(&self, context: &mut Context<'_>, exported: &Exported) -> Result<(), Error> {
        let Some(path) = self.output().file() else {
            return Ok(());
        };
        let output = path.to_string_lossy();
        if self.display.json {
            let record = ExportRecord {
                image_id: exported.image_id.to_string(),
                layers: exported.layers,
                entries: exported.entries,
                output: &output,
            };
            output::json::line(context.out, &record)?;
        } else if self.display.has_notes() {
            note(&format!(
                "Exported {} to {}: {}, {}",
                escape(&self.name),
                escape(&output),
                human::count(exported.layers, "layer"),
                human::count(exported.entries, "entry")
            ));
        }
        Ok(context.out.flush()?)
    }
}
