//! `windlass load`

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use windlass::{LoadFrom, LoadOptions, Loaded, Reference};

use super::loaded_image::{warn_about_moved_names, write_record};
use super::shared_args::{OutputArgs, PlatformArgs};
use super::{CommandOutcome, parse_reference};
use windlass_report::{OperationError, TransferError};

use crate::context::{Context, note};
use crate::error::Error;
use crate::operation::{Ending, OperationRunner};
use crate::stdin::Stdin;
use windlass::text::escape;

/// Take images out of an archive or a directory
///
/// Archives of docker, podman, skopeo, ctr and windlass, plain or compressed; OCI layouts, and skopeo's directories.
/// Everything is verified before any of it is there, and is kept byte for byte.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass load -i alpine.tar
  docker save app:1 | windlass load
  windlass load -i layout/ --name app:1     An OCI layout whose image has no name of its own")]
pub(crate) struct Args {
    /// File or directory to read; - for standard input, which is the default
    #[arg(short, long, value_name = "PATH")]
    input: Option<PathBuf>,

    /// Give the image this name, and not the one that the archive has
    #[arg(long, value_name = "NAME[:TAG]")]
    name: Option<String>,

    #[command(flatten)]
    platforms: PlatformArgs,

    #[command(flatten)]
    display: OutputArgs,
}

impl Args {
    /// Loads.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let name = self.name.as_deref().map(parse_reference).transpose()?;
        let options = LoadOptions {
            choice: self.platforms.choice()?,
            name: name.map(Reference::or_latest),
        };
        if self.input().is_none() && io::stdin().is_terminal() {
            let text = "no archive: give one with --input, or on standard input".to_owned();
            return Err(Error::Usage { text });
        }
        let mut stdin = Stdin::new(None);
        let purpose = self.doing("windlass load: loading");
        let backend = match self.input() {
            Some(_) => context.backend(&purpose, |_| {})?,
            None => context.backend_with_stdin(&mut stdin, &purpose)?,
        };
        let runner = OperationRunner::new(self.display.mode(context))?;
        let from = self.from(stdin).map_err(|error| self.failed(error))?;
        let load = backend.load(from, options, self.doing("loading"))?;
        match runner.run(&self.doing("Loading"), load) {
            Ending::Done(loaded) => {
                self.tell(context, &loaded)?;
                Ok(CommandOutcome::Success)
            }
            Ending::Stopped(signal) => {
                note("Stopped. Nothing was loaded.");
                Ok(CommandOutcome::Interrupted(signal))
            }
            Ending::Failed(error) => Err(error),
        }
    }

    /// Returns the file or directory; `-` is standard input.
    fn input(&self) -> Option<&Path> {
        let input = self.input.as_deref();
        input.filter(|path| *path != Path::new("-"))
    }

    fn failed(&self, source: TransferError) -> Error {
        OperationError::Transfer {
            action: self.doing("loading"),
            registry: None,
            source: Box::new(source),
        }
        .into()
    }

    fn from(&self, stdin: Stdin) -> Result<LoadFrom, TransferError> {
        if let Some(path) = self.input() {
            return Ok(LoadFrom::Path(path.to_owned()));
        }
        let stdin = stdin.into_file().map_err(|source| TransferError::File {
            action: "read standard input",
            source,
        })?;
        Ok(LoadFrom::File(stdin))
    }

    fn doing(&self, verb: &str) -> String {
        match self.input() {
            Some(path) => format!("{verb} {}", path.display()),
            None => format!("{verb} what comes from standard input"),
        }
    }

    fn tell(&self, context: &mut Context<'_>, loaded: &[Loaded]) -> Result<(), Error> {
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
