//! `windlass load`

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use windlass::image::Reference;
use windlass::text::escape;
use windlass::{LoadFrom, LoadOptions, Loaded};
use windlass_error_report::{OperationError, TransferError};

use super::CommandOutcome;
use super::loaded_image::{warn_about_moved_names, write_record};
use super::shared_args::{OutputArgs, PlatformArgs, parse_reference};
use crate::context::Context;
use crate::error::Error;
use crate::operation::{OperationOutcome, OperationRunner};
use crate::output::message::note;
use crate::stdin::Stdin;

/// Load images from an archive or a directory
///
/// Reads archives of docker, podman, skopeo, ctr and windlass, compressed or not, OCI layouts, and directories of skopeo.
/// All content is verified before an image appears, and stored without changes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass load -i alpine.tar
  docker save app:1 | windlass load
  windlass load -i layout/ --name app:1     OCI layout with an unnamed image")]
pub(crate) struct Args {
    /// File or directory to read, or `-` for standard input [default: -]
    #[arg(short, long, value_name = "PATH")]
    input: Option<PathBuf>,

    /// Name of the image, instead of the one in the archive
    #[arg(long, value_name = "NAME[:TAG]")]
    name: Option<String>,

    #[command(flatten)]
    platforms: PlatformArgs,

    #[command(flatten)]
    display: OutputArgs,
}

impl Args {
    /// Loads the images.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let name = self.name.as_deref().map(parse_reference).transpose()?;
        let options = LoadOptions {
            choice: self.platforms.choice()?,
            name: name.map(Reference::or_latest),
        };
        if self.input().is_none() && io::stdin().is_terminal() {
            let text = "no archive: use --input or redirect standard input".to_owned();
            return Err(Error::Usage { text });
        }
        let mut stdin = Stdin::new(None);
        let purpose = self.action("windlass load: loading");
        let backend = match self.input() {
            Some(_) => context.backend(&purpose, |_| {})?,
            None => context.backend_with_stdin(&mut stdin, &purpose)?,
        };
        let runner = OperationRunner::new(self.display.mode(context))?;
        let source = self
            .source(stdin)
            .map_err(|error| OperationError::transfer(self.action("loading"), error))?;
        let load = backend.load(source, options, self.action("loading"))?;
        match runner.run(&self.action("Loading"), load) {
            OperationOutcome::Completed(loaded) => {
                self.print_result(context, &loaded)?;
                Ok(CommandOutcome::Success)
            }
            OperationOutcome::Interrupted(signal) => {
                note("Stopped. Nothing was loaded.");
                Ok(CommandOutcome::Interrupted(signal))
            }
            OperationOutcome::Failed(error) => Err(error),
        }
    }

    /// Returns the path of the input, or `None` for standard input.
    fn input(&self) -> Option<&Path> {
        let input = self.input.as_deref();
        input.filter(|path| *path != Path::new("-"))
    }

    fn source(&self, stdin: Stdin) -> Result<LoadFrom, TransferError> {
        if let Some(path) = self.input() {
            return Ok(LoadFrom::Path(path.to_owned()));
        }
        let stdin = stdin.into_file().map_err(|source| TransferError::File {
            action: "read standard input",
            source,
        })?;
        Ok(LoadFrom::File(stdin))
    }

    fn action(&self, verb: &str) -> String {
        match self.input() {
            Some(path) => format!("{verb} {}", path.display()),
            None => format!("{verb} from standard input"),
        }
    }

    fn print_result(&self, context: &mut Context<'_>, loaded: &[Loaded]) -> Result<(), Error> {
        for image in loaded {
            warn_about_moved_names(image);
            if self.display.json {
                write_record(context.out, image)?;
                continue;
            }
            for name in &image.names {
                writeln!(context.out, "Loaded image: {}", escape(&name.familiar()))?;
            }
            if image.names.is_empty() {
                writeln!(context.out, "Loaded image ID: {}", image.image_id)?;
            }
        }
        Ok(context.out.flush()?)
    }
}
