//! `windlass import`

mod source;

use std::io::{self, IsTerminal as _};
use std::num::NonZeroU64;

use jiff::Timestamp;
use windlass::image::{Platform, Reference};
use windlass::text::{self, escape};
use windlass::{ContainerConfig, ImportOptions, Loaded};
use windlass_control::ImportParams;

use super::CommandOutcome;
use super::loaded_image::{warn_about_moved_names, write_record};
use super::shared_args::{OutputArgs, parse_platform, parse_reference, parse_size};
use crate::backend::Backend;
use crate::context::Context;
use crate::environment::Environment;
use crate::error::Error;
use crate::operation::{OperationOutcome, OperationRunner};
use crate::output::message::note;
use crate::signals::Signal;
use crate::stdin::Stdin;
use source::{Source, TarSource};

/// Create an image from a tar archive
///
/// The image has one layer: the archive without changes, uncompressed or compressed with gzip or zstd. The image
/// appears only when the import is complete.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Instructions for --change, as in a Dockerfile:
  CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR

Examples:
  windlass import rootfs.tar.gz app:1
  debootstrap trixie ./root && tar -C ./root -c . | windlass import - debian:own
  windlass import https://example.com/rootfs.tar.zst app:1
  windlass import -c 'CMD [\"/bin/sh\"]' -c 'ENV LANG=C.UTF-8' rootfs.tar app:1
  windlass export app:1 | windlass import - app:flat")]
pub(crate) struct Args {
    /// File, http or https URL to read, or `-` for standard input
    #[arg(value_name = "FILE|-|URL")]
    source: String,

    /// Name of the image
    #[arg(value_name = "NAME[:TAG]")]
    name: Option<String>,

    /// Apply a Dockerfile instruction to the image; can be given several times
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,

    /// Comment for the history of the image [default: the source]
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,

    /// Platform of the image [default: linux and the architecture of this machine]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    /// Maximum size of the archive
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    max_size: Option<NonZeroU64>,

    #[command(flatten)]
    display: OutputArgs,
}

impl Args {
    /// Imports the archive.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let source = Source::parse(&self.source)?;
        let options = self.options(&context.environment, &source)?;
        if source == Source::Stdin && io::stdin().is_terminal() {
            let text = "no archive: name a file or redirect standard input".to_owned();
            return Err(Error::Usage { text });
        }
        let mut stdin = Stdin::new(options.limit);
        let purpose = source.action("windlass import: importing");
        let backend = match source {
            Source::Stdin => context.backend_with_stdin(&mut stdin, &purpose)?,
            Source::File(_) | Source::Url(_) => context.backend(&purpose, |_| {})?,
        };
        let runner = OperationRunner::new(self.display.mode(context))?;
        let action = source.action("Importing");
        let imported = match backend {
            Backend::Local(engine) => {
                let from = match source.open(context, stdin, &runner, options.limit)? {
                    Ok(from) => from,
                    Err(signal) => return Ok(interrupted(signal)),
                };
                let import = engine.import(from, options);
                let import = import.map_err(move |error| source.import_error(error.into()));
                runner.run(&action, import)
            }
            Backend::Daemon(daemon) => {
                let from = source
                    .open_for_daemon(stdin)
                    .map_err(|error| source.import_error(error))?;
                let (url, file) = match from {
                    TarSource::Url(url) => (Some(url), None),
                    TarSource::File(file) => (None, Some(file)),
                };
                let params = ImportParams {
                    url,
                    name: options.name,
                    platform: options.platform,
                    changes: self.change.clone(),
                    created: options.created,
                    comment: options.comment,
                    limit: options.limit,
                    action: source.action("importing"),
                };
                let import = daemon.import(params, file).map_err(Error::from);
                runner.run(&action, import)
            }
        };
        match imported {
            OperationOutcome::Completed(image) => {
                self.print_result(context, &image)?;
                Ok(CommandOutcome::Success)
            }
            OperationOutcome::Interrupted(signal) => Ok(interrupted(signal)),
            OperationOutcome::Failed(error) => Err(error),
        }
    }

    fn options(&self, environment: &Environment, source: &Source) -> Result<ImportOptions, Error> {
        let usage = |text| Error::Usage { text };
        let name = self.name.as_deref().map(parse_reference).transpose()?;
        if let Some(name) = name.as_ref().filter(|name| name.digest().is_some()) {
            let name = name.familiar();
            return Err(usage(format!(
                "{name} is not a valid name: it has a digest"
            )));
        }
        let mut config = ContainerConfig::default();
        for change in &self.change {
            let changed = config.change(change);
            changed.map_err(|error| usage(text::error_chain(&error)))?;
        }
        let platform = self.platform.as_deref().map(parse_platform).transpose()?;
        let default_platform = || Platform::new("linux", std::env::consts::ARCH, None);
        let default_comment = || format!("Imported from {}", source.history_text());
        Ok(ImportOptions {
            name: name.map(Reference::or_latest),
            platform: platform.unwrap_or_else(default_platform),
            config,
            created: creation_time(environment)?.to_string(),
            comment: self.message.clone().unwrap_or_else(default_comment),
            limit: self.max_size.map(NonZeroU64::get),
        })
    }

    fn print_result(&self, context: &mut Context<'_>, image: &Loaded) -> Result<(), Error> {
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

fn interrupted(signal: Signal) -> CommandOutcome {
    note("Stopped. Nothing was imported.");
    CommandOutcome::Interrupted(signal)
}

/// Returns the creation time of the image: `SOURCE_DATE_EPOCH` for reproducible images, or else the current time.
fn creation_time(environment: &Environment) -> Result<Timestamp, Error> {
    let Some(epoch) = &environment.source_date_epoch else {
        return Ok(Timestamp::now());
    };
    let seconds = epoch.parse().ok();
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.ok_or_else(|| Error::Usage {
        text: format!(
            "SOURCE_DATE_EPOCH must be a number of seconds, not {:?}",
            text::sanitize(epoch)
        ),
    })
}
