//! `windlass import`

mod source;

use std::io::{self, IsTerminal as _};
use std::num::NonZeroU64;

use jiff::Timestamp;
use windlass::{ContainerConfig, ImportOptions, Loaded, Platform, Reference, text};

use super::loaded_image::{warn_about_moved_names, write_record};
use super::shared_args::OutputArgs;
use super::{CommandOutcome, parse_platform, parse_reference};
use windlass_report::{OperationError, TransferError};

use crate::backend::{Backend, import_by_daemon};
use crate::context::{Context, note};
use crate::environment::Environment;
use crate::error::Error;
use crate::operation::{Ending, OperationRunner};
use crate::signals::Signal;
use crate::stdin::Stdin;
use source::Source;
use windlass::text::escape;

/// Make an image of a tar
///
/// The image has one layer: what came, byte for byte, plain or compressed with gzip or zstd. It is made and named at
/// once, or not at all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Changes:
  CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR, as in a Dockerfile

Examples:
  windlass import rootfs.tar.gz app:1
  debootstrap trixie ./root && tar -C ./root -c . | windlass import - debian:own
  windlass import https://example.com/rootfs.tar.zst app:1
  windlass import -c 'CMD [\"/bin/sh\"]' -c 'ENV LANG=C.UTF-8' rootfs.tar app:1
  windlass export app:1 | windlass import - app:flat")]
pub(crate) struct Args {
    /// File to read, `-` for standard input, or an http or https URL
    #[arg(value_name = "FILE|-|URL")]
    source: String,

    /// What to call the image
    #[arg(value_name = "NAME[:TAG]")]
    name: Option<String>,

    /// Change how the image is run, by a Dockerfile's instruction; can be given several times
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,

    /// Remark for the image's history [default: where it came from]
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,

    /// What the image runs on [default: linux and this machine's architecture]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    /// Take no more than so many bytes
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    max_size: Option<NonZeroU64>,

    #[command(flatten)]
    display: OutputArgs,
}

impl Args {
    /// Imports.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let source = Source::parse(&self.source)?;
        let options = self.options(&context.environment, &source)?;
        if source == Source::Stdin && io::stdin().is_terminal() {
            let text = "a tar is not typed: redirect standard input, or name a file".to_owned();
            return Err(Error::Usage { text });
        }
        let mut stdin = Stdin::new(options.limit);
        let purpose = source.doing("windlass import: importing");
        let backend = match source {
            Source::Stdin => context.backend_with_stdin(&mut stdin, &purpose)?,
            Source::File(_) | Source::Url(_) => context.backend(&purpose, |_| {})?,
        };
        let runner = OperationRunner::new(self.display.mode(context))?;
        let doing = source.doing("Importing");
        let imported = match backend {
            Backend::Local(engine) => {
                let from = match source.open(context, stdin, &runner, options.limit)? {
                    Ok(from) => from,
                    Err(signal) => return Ok(stopped(signal)),
                };
                let import = engine.import(from, options);
                let import = import.map_err(move |error| failed(&source, error.into()));
                runner.run(&doing, import)
            }
            Backend::Daemon(daemon) => {
                let from = source.tar(stdin).map_err(|error| failed(&source, error))?;
                let action = source.doing("importing");
                let import = import_by_daemon(&daemon, from, options, &self.change, action);
                runner.run(&doing, import)
            }
        };
        match imported {
            Ending::Done(image) => {
                self.tell(context, &image)?;
                Ok(CommandOutcome::Success)
            }
            Ending::Stopped(signal) => Ok(stopped(signal)),
            Ending::Failed(error) => Err(error),
        }
    }

    fn options(&self, environment: &Environment, source: &Source) -> Result<ImportOptions, Error> {
        let usage = |text| Error::Usage { text };
        let name = self.name.as_deref().map(parse_reference).transpose()?;
        if let Some(name) = name.as_ref().filter(|name| name.digest().is_some()) {
            let name = name.familiar();
            return Err(usage(format!(
                "{name} has a digest, and cannot be given as a name"
            )));
        }
        let mut config = ContainerConfig::default();
        for change in &self.change {
            let changed = config.change(change);
            changed.map_err(|error| usage(text::error_chain(&error)))?;
        }
        let platform = self.platform.as_deref().map(parse_platform).transpose()?;
        let here = || Platform::new("linux", std::env::consts::ARCH, None);
        let from = || format!("Imported from {}", source.shown());
        Ok(ImportOptions {
            name: name.map(Reference::or_latest),
            platform: platform.unwrap_or_else(here),
            config,
            created: created(environment)?.to_string(),
            comment: self.message.clone().unwrap_or_else(from),
            limit: self.max_size.map(NonZeroU64::get),
        })
    }

    fn tell(&self, context: &mut Context<'_>, image: &Loaded) -> Result<(), Error> {
        warn_about_moved_names(image);
        if self.display.json {
            write_record(context.out, image)?;
        } else {
            writeln!(context.out, "{}", image.image_id)?;
            if let (Some(name), true) = (image.names.first(), self.display.has_notes()) {
                note(&format!("Imported as {}", escape(&name.familiar())));
            }
        }
        Ok(context.out.flush()?)
    }
}

fn stopped(signal: Signal) -> CommandOutcome {
    note("Stopped. Nothing was imported.");
    CommandOutcome::Interrupted(signal)
}

fn failed(source: &Source, error: TransferError) -> Error {
    OperationError::import(source.doing("importing"), error).into()
}

/// Returns the moment that the image is said to be made at: `SOURCE_DATE_EPOCH`, for those who want the same bytes
/// again, or now.
fn created(environment: &Environment) -> Result<Timestamp, Error> {
    let Some(epoch) = &environment.source_date_epoch else {
        return Ok(Timestamp::now());
    };
    let seconds = epoch.parse().ok();
    let moment = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    moment.ok_or_else(|| Error::Usage {
        text: format!(
            "SOURCE_DATE_EPOCH has to be a number of seconds, not {:?}",
            text::sanitize(epoch)
        ),
    })
}

fn parse_size(text: &str) -> Result<NonZeroU64, String> {
    let size = windlass_config::parse_size(text).map_err(|error| error.to_string())?;
    NonZeroU64::new(size).ok_or_else(|| "no byte is no tar".to_owned())
}
