//! `windlass save`

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;
use windlass::image::{ImageName, LayoutKind};
use windlass::text::escape;
use windlass::transfer::OutputTarget;
use windlass::{SaveRequest, SaveTo, Saved};
use windlass_error_report::OperationError;
use windlass_progress::human;

use super::CommandOutcome;
use super::compression::CompressionArg;
use super::shared_args::{OutputArgs, PlatformArgs, parse_image_name};
use crate::context::Context;
use crate::error::Error;
use crate::operation::{OperationOutcome, OperationRunner, standard_output};
use crate::output;
use crate::output::message::{note, warn};

/// Save images to an archive or a directory
///
/// Manifests and layers are saved as they were pulled, so that the digests stay the same. An image that is given by name
/// keeps this name. A repository without a tag selects all its tags.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass save -o alpine.tar alpine:3          For docker, podman, skopeo and windlass
  windlass save alpine:3 | ssh host docker load
  windlass save -o images.tar.zst app:1 db:2    Several images in a compressed archive
  windlass save --format oci -o layout app:1    Add an image to an OCI layout")]
pub(crate) struct Args {
    /// Names or IDs of the images
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// File or directory to write, or `-` for standard output [default: -]
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Format of the output
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value = "docker-archive"
    )]
    format: SaveFormat,

    /// Compression of the whole archive [default: by the extension of the file]
    #[arg(long, value_enum, value_name = "HOW")]
    compress: Option<CompressionArg>,

    #[command(flatten)]
    platforms: PlatformArgs,

    #[command(flatten)]
    display: OutputArgs,
}

/// The format of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SaveFormat {
    /// Archive for both Docker and OCI tools
    DockerArchive,
    /// Archive of an OCI layout
    OciArchive,
    /// OCI layout: a directory with any number of images
    Oci,
    /// Directory with one image, in the format of skopeo's `dir:`
    Dir,
}

/// A saved image, as JSON.
#[derive(Serialize)]
struct SaveRecord<'a> {
    image_id: String,
    digest: String,
    names: Vec<String>,
    is_rewritten: bool,
    output: Option<&'a str>,
}

impl Args {
    /// Saves the images. The output appears only when it is complete.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let names = self.names.iter().map(|name| parse_image_name(name));
        let names: Vec<ImageName> = names.collect::<Result<_, _>>()?;
        let choice = self.platforms.choice()?;
        self.check()?;
        let engine = context.open_shared()?;
        let runner = OperationRunner::new(self.display.mode(context))?;
        let request = SaveRequest {
            names,
            choice,
            to: self.target()?,
        };
        match runner.run(&self.action("Saving"), engine.save(request)) {
            OperationOutcome::Completed(saved) => {
                self.print_result(context, &saved)?;
                Ok(CommandOutcome::Success)
            }
            OperationOutcome::Interrupted(signal) => {
                note("Stopped. Nothing was written.");
                Ok(CommandOutcome::Interrupted(signal))
            }
            OperationOutcome::Failed(source) => Err(OperationError::Transfer {
                action: self.action("saving"),
                registry: None,
                source: Box::new(source.into()),
            }
            .into()),
        }
    }

    fn target(&self) -> Result<SaveTo, Error> {
        let kind = match self.format {
            SaveFormat::DockerArchive => LayoutKind::DockerArchive,
            SaveFormat::OciArchive => LayoutKind::OciArchive,
            SaveFormat::Oci => LayoutKind::OciDirectory,
            SaveFormat::Dir => LayoutKind::Directory,
        };
        if let SaveFormat::Oci | SaveFormat::Dir = self.format {
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

    /// Rejects combinations of options that cannot work.
    fn check(&self) -> Result<(), Error> {
        let is_directory = matches!(self.format, SaveFormat::Oci | SaveFormat::Dir);
        let problem = if self.output().is_none() && is_directory {
            "a directory requires a path: use --output"
        } else if self.output().is_none() && io::stdout().is_terminal() {
            "cannot write an archive to a terminal: use --output or redirect standard output"
        } else if self.output().is_none() && self.display.json {
            "cannot write both --json and the archive to standard output: use --output"
        } else if is_directory && self.compress.is_some() {
            "--compress applies to archives only"
        } else if self.format == SaveFormat::Dir && self.names.len() > 1 {
            "--format dir accepts only one image"
        } else {
            return Ok(());
        };
        let text = problem.to_owned();
        Err(Error::Usage { text })
    }

    /// Returns the path of the output, or `None` for standard output.
    fn output(&self) -> Option<&Path> {
        let output = self.output.as_deref();
        output.filter(|path| *path != Path::new("-"))
    }

    fn compression(&self) -> windlass::transfer::ArchiveCompression {
        let by_extension = || {
            self.output()
                .map(windlass::transfer::ArchiveCompression::of_name)
        };
        let requested = self
            .compress
            .map(windlass::transfer::ArchiveCompression::from);
        requested
            .or_else(by_extension)
            .unwrap_or(windlass::transfer::ArchiveCompression::None)
    }

    fn action(&self, verb: &str) -> String {
        let names = self.names.join(", ");
        match self.output() {
            Some(path) => format!("{verb} {names} to {}", path.display()),
            None => format!("{verb} {names}"),
        }
    }

    fn print_result(&self, context: &mut Context<'_>, saved: &[Saved]) -> Result<(), Error> {
        let output = self.output().map(Path::to_string_lossy);
        for image in saved {
            if image.is_rewritten {
                let name = image.names.first();
                let name =
                    name.map_or(image.image_id.short(), windlass::image::Reference::familiar);
                warn(&format!(
                    "{name} has layers that the store holds in another compression; it was saved with a new manifest, {}",
                    image.digest
                ));
            }
            if self.display.json {
                let names = image.names.iter().map(ToString::to_string);
                let record = SaveRecord {
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
