//! `windlass save`

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;
use windlass::{ImageName, LayoutKind, OutputTarget, SaveRequest, SaveTo, Saved};

use super::compression::CompressionArg;
use super::shared_args::{OutputArgs, PlatformArgs};
use super::{CommandOutcome, image_name};
use windlass_report::OperationError;

use crate::context::{Context, note, warn};
use crate::error::Error;
use crate::operation::{Ending, OperationRunner, standard_output};
use crate::output;
use crate::output::human;
use windlass::text::escape;

/// Write images into an archive or a directory
///
/// Everything as it was pulled, byte for byte: the same digests, for every tool. Images given by name keep the name; a
/// repository alone stands for all its tags.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass save -o alpine.tar alpine:3          For docker load, podman load, skopeo and windlass load
  windlass save alpine:3 | ssh host docker load
  windlass save -o images.tar.zst app:1 db:2    Several at once, the whole archive compressed
  windlass save --format oci -o layout app:1    Into an OCI layout; what is there already stays")]
pub(crate) struct Args {
    /// Names or IDs of images that are here
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// File or directory to write; - for standard output, which is the default
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// What to write
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value = "docker-archive"
    )]
    format: Format,

    /// Compress the archive as a whole [default: as the name of the file ends]
    #[arg(long, value_enum, value_name = "HOW")]
    compress: Option<CompressionArg>,

    #[command(flatten)]
    platforms: PlatformArgs,

    #[command(flatten)]
    display: OutputArgs,
}

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// An archive that both Docker and OCI tools read
    DockerArchive,
    /// An archive of an OCI layout
    OciArchive,
    /// An OCI layout: a directory that takes more images
    Oci,
    /// A directory of one image, as skopeo's `dir:`
    Dir,
}

/// An image, for programs.
#[derive(Serialize)]
struct Record<'a> {
    image_id: String,
    digest: String,
    names: Vec<String>,
    is_rewritten: bool,
    output: Option<&'a str>,
}

impl Args {
    /// Saves. Nothing of it appears unless all of it is written.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let names = self.names.iter().map(|name| image_name(name));
        let names: Vec<ImageName> = names.collect::<Result<_, _>>()?;
        let choice = self.platforms.choice()?;
        self.check()?;
        let engine = context.share()?;
        let runner = OperationRunner::new(self.display.mode(context))?;
        let request = SaveRequest {
            names,
            choice,
            to: self.to()?,
        };
        match runner.run(&self.doing("Saving"), engine.save(request)) {
            Ending::Done(saved) => {
                self.tell(context, &saved)?;
                Ok(CommandOutcome::Success)
            }
            Ending::Stopped(signal) => {
                note("Stopped. Nothing was written.");
                Ok(CommandOutcome::Interrupted(signal))
            }
            Ending::Failed(source) => Err(OperationError::Transfer {
                action: self.doing("saving"),
                registry: None,
                source: Box::new(source.into()),
            }
            .into()),
        }
    }

    fn to(&self) -> Result<SaveTo, Error> {
        let kind = match self.format {
            Format::DockerArchive => LayoutKind::DockerArchive,
            Format::OciArchive => LayoutKind::OciArchive,
            Format::Oci => LayoutKind::OciDirectory,
            Format::Dir => LayoutKind::Directory,
        };
        if let Format::Oci | Format::Dir = self.format {
            let path = self.output().unwrap_or_else(|| ".".as_ref()).to_owned();
            return Ok(SaveTo::Directory { kind, path });
        }
        Ok(SaveTo::Archive {
            kind,
            output: match self.output() {
                Some(path) => OutputTarget::Path(path.to_owned()),
                None => standard_output()?,
            },
            compression: self.compression(),
        })
    }

    /// Finds what does not go together.
    fn check(&self) -> Result<(), Error> {
        let is_directory = matches!(self.format, Format::Oci | Format::Dir);
        let problem = if self.output().is_none() && is_directory {
            "a directory needs a name: give it with --output"
        } else if self.output().is_none() && io::stdout().is_terminal() {
            "an archive is not for a terminal: give a file with --output, or redirect it"
        } else if self.output().is_none() && self.display.json {
            "--json and the archive cannot both go to standard output: give a file with --output"
        } else if is_directory && self.compress.is_some() {
            "only an archive can be compressed, not a directory"
        } else if self.format == Format::Dir && self.names.len() > 1 {
            "a directory of this form holds one image"
        } else {
            return Ok(());
        };
        let text = problem.to_owned();
        Err(Error::Usage { text })
    }

    /// Returns the file or directory; `-` is standard output.
    fn output(&self) -> Option<&Path> {
        let output = self.output.as_deref();
        output.filter(|path| *path != Path::new("-"))
    }

    fn compression(&self) -> windlass::Compression {
        let by_name = || self.output().map(windlass::Compression::of_name);
        let asked = self.compress.map(windlass::Compression::from);
        asked
            .or_else(by_name)
            .unwrap_or(windlass::Compression::None)
    }

    fn doing(&self, verb: &str) -> String {
        let names = self.names.join(", ");
        match self.output() {
            Some(path) => format!("{verb} {names} to {}", path.display()),
            None => format!("{verb} {names}"),
        }
    }

    fn tell(&self, context: &mut Context<'_>, saved: &[Saved]) -> Result<(), Error> {
        let output = self.output().map(Path::to_string_lossy);
        for image in saved {
            if image.is_rewritten {
                let name = image.names.first();
                let name = name.map_or(image.image_id.short(), windlass::Reference::familiar);
                warn(&format!(
                    "{name} came with layers that were here in another compression; its manifest is a new one, {}",
                    image.digest
                ));
            }
            if self.display.json {
                let names = image.names.iter().map(ToString::to_string);
                let record = Record {
                    image_id: image.image_id.to_string(),
                    digest: image.digest.to_string(),
                    names: names.collect(),
                    is_rewritten: image.is_rewritten,
                    output: output.as_deref(),
                };
                output::json::line(context.out, &record)?;
            }
        }
        if self.display.has_notes()
            && let Some(path) = output
        {
            let count = human::count(saved.len() as u64, "image");
            note(&format!("Saved {count} to {}", escape(&path)));
        }
        Ok(context.out.flush()?)
    }
}
