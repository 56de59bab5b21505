//! `windlass export`

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use windlass::{Exported, OutputTarget};

use super::compression::CompressionArg;
use super::shared_args::OutputArgs;
use super::{CommandOutcome, image_name};
use windlass_report::OperationError;

use crate::context::{Context, note};
use crate::error::Error;
use crate::operation::{Ending, OperationRunner, standard_output};
use crate::output;
use crate::output::human;
use windlass::text::escape;

/// Write an image's root filesystem as one tar
///
/// All layers, one over the other, as `unpack` writes them as root: with owners, devices and attributes, whoever runs
/// it. The same image makes the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass export -o rootfs.tar alpine:3
  windlass export -o rootfs.tar.zst alpine:3    Compressed, as the name ends
  windlass export alpine:3 | tar -tv            What is in it
  windlass export app:1 | windlass import - app:flat")]
pub(crate) struct Args {
    /// Name or ID of an image that is here
    #[arg(value_name = "NAME")]
    name: String,

    /// File to write; `-` is standard output [default: standard output]
    #[arg(short, long, value_name = "FILE|-")]
    output: Option<PathBuf>,

    /// Compress it [default: as the name of the file ends]
    #[arg(long, value_enum, value_name = "HOW")]
    compress: Option<CompressionArg>,

    #[command(flatten)]
    display: OutputArgs,
}

/// What was written, for programs.
#[derive(Serialize)]
struct Record<'a> {
    image_id: String,
    layers: u64,
    entries: u64,
    output: &'a str,
}

impl Args {
    /// Exports. A file does not appear unless all of it is written.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let name = image_name(&self.name)?;
        self.check()?;
        let engine = context.share()?;
        let runner = OperationRunner::new(self.display.mode(context))?;
        let output = match self.file() {
            Some(path) => OutputTarget::Path(path.to_owned()),
            None => standard_output()?,
        };
        let export = engine.export(&name, output, self.compression());
        match runner.run(&self.doing("Exporting"), export) {
            Ending::Done(exported) => {
                self.tell(context, &exported)?;
                Ok(CommandOutcome::Success)
            }
            Ending::Stopped(signal) => {
                note(match self.file() {
                    Some(_) => "Stopped. Nothing was written.",
                    None => "Stopped. What was written is not whole.",
                });
                Ok(CommandOutcome::Interrupted(signal))
            }
            Ending::Failed(source) => Err(OperationError::Transfer {
                action: self.doing("exporting"),
                registry: None,
                source: Box::new(source.into()),
            }
            .into()),
        }
    }

    /// Finds what does not go together.
    fn check(&self) -> Result<(), Error> {
        let problem = if self.file().is_some() {
            return Ok(());
        } else if io::stdout().is_terminal() {
            "a tar is not for a terminal: give a file with --output, or redirect it"
        } else if self.display.json {
            "--json and the tar cannot both go to standard output: give a file with --output"
        } else {
            return Ok(());
        };
        let text = problem.to_owned();
        Err(Error::Usage { text })
    }

    fn file(&self) -> Option<&Path> {
        let output = self.output.as_deref();
        output.filter(|path| *path != Path::new("-"))
    }

    fn compression(&self) -> windlass::Compression {
        let by_name = || self.file().map(windlass::Compression::of_name);
        let asked = self.compress.map(windlass::Compression::from);
        asked
            .or_else(by_name)
            .unwrap_or(windlass::Compression::None)
    }

    fn doing(&self, verb: &str) -> String {
        match self.file() {
            Some(path) => format!("{verb} {} to {}", self.name, path.display()),
            None => format!("{verb} {}", self.name),
        }
    }

    fn tell(&self, context: &mut Context<'_>, exported: &Exported) -> Result<(), Error> {
        let Some(path) = self.file() else {
            return Ok(());
        };
        let output = path.to_string_lossy();
        if self.display.json {
            let record = Record {
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
