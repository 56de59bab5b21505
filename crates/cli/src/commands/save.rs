//! `windlass save`

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;
use windlass::image::{ImageName, LayoutKind, Reference};
use windlass::text::escape;
use windlass::{SaveRequest, SaveTo, Saved};
use windlass_error_report::OperationError;
use windlass_progress::human;

use super::CommandOutcome;
use super::archive_output::{ArchiveOutput, CompressionArg};
use super::shared_args::{OutputArgs, PlatformArgs, parse_image_name};
use crate::context::Context;
use crate::error::Error;
use crate::operation::{OperationOutcome, OperationRunner};
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
    /// The manifests of the index that the archive lacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    output: Option<&'a str>,
}

impl Args {
    /// Saves the images. The output appears only when it is complete.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let names = self.names.iter().map(|name| parse_image_name(name));
        let names: Vec<ImageName> = names.collect::<Result<_, _>>()?;
        let choice = self.platforms.choice()?;
        let to = self.target()?;
        let engine = context.open_shared()?;
        let runner = OperationRunner::new(self.display.mode(context))?;
        let request = SaveRequest { names, choice, to };
        match runner.run(&self.action("Saving"), engine.save(request)) {
            OperationOutcome::Completed(saved) => {
                self.print_result(context, &saved)?;
                Ok(CommandOutcome::Success)
            }
            OperationOutcome::Interrupted(signal) => {
                note("Stopped. Nothing was written.");
                Ok(CommandOutcome::Interrupted(signal))
            }
            OperationOutcome::Failed(error) => {
                Err(OperationError::transfer(self.action("saving"), error).into())
            }
        }
    }

    fn target(&self) -> Result<SaveTo, Error> {
        match self.format {
            SaveFormat::DockerArchive => self.archive(LayoutKind::DockerArchive),
            SaveFormat::OciArchive => self.archive(LayoutKind::OciArchive),
            SaveFormat::Oci => self.directory(LayoutKind::OciDirectory),
            SaveFormat::Dir => self.directory(LayoutKind::Directory),
        }
    }

    fn archive(&self, kind: LayoutKind) -> Result<SaveTo, Error> {
        let output = self.output();
        output.check(self.display.json)?;
        Ok(SaveTo::Archive {
            kind,
            output: output.target()?,
            compression: output.compression(self.compress),
        })
    }

    fn directory(&self, kind: LayoutKind) -> Result<SaveTo, Error> {
        let has_many_images = self.names.len() > 1;
        let problem = match self.output().file() {
            None => "a directory requires a path: use --output",
            Some(_) if self.compress.is_some() => "--compress applies to archives only",
            Some(_) if self.format == SaveFormat::Dir && has_many_images => {
                "--format dir accepts only one image"
            }
            Some(path) => {
                let path = path.to_owned();
                return Ok(SaveTo::Directory { kind, path });
            }
        };
        let text = problem.to_owned();
        Err(Error::Usage { text })
    }

    fn output(&self) -> ArchiveOutput<'_> {
        ArchiveOutput::new(self.output.as_deref())
    }

    fn action(&self, verb: &str) -> String {
        self.output().action(verb, &self.names.join(", "))
    }

    fn print_result(&self, context: &mut Context<'_>, saved: &[Saved]) -> Result<(), Error> {
        let output = self.output().file().map(Path::to_string_lossy);
        for image in saved {
            let name = image.names.first();
            let name = name.map_or(image.image_id.short(), Reference::familiar);
            if !image.missing.is_empty() {
                let missing = human::count(image.missing.len() as u64, "manifest");
                warn(&format!(
                    "{name} was saved without {missing} of its index, which the store does not have; \
                     `windlass pull --all-platforms` fetches what the registry has"
                ));
            }
            if image.is_rewritten {
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
                    missing: image.missing.iter().map(ToString::to_string).collect(),
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
