//! `windlass pull`

mod context;
mod dry_run;
mod network_options;
mod runner;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser as _};
use windlass::Pulled;
use windlass::image::{Platforms, Reference};
use windlass_progress::{ProgressMode, PullReporter, json};
use windlass_timings::{Destination, Recorder, page, parse_path};

use super::CommandOutcome;
use super::shared_args::{AuthFileArgs, ProgressArg, parse_platform, parse_reference};
use crate::backend::Backend;
use crate::context::Context;
use crate::error::Error;
use crate::operation::current_thread_runtime;
use crate::output::message::{note, warn};
use crate::signals::Signals;
use context::PullContext;
use dry_run::DryRun;
use network_options::NetworkOptions;
use runner::{PullRunner, PullsOutcome};

/// Download and unpack images
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one field per flag")]
#[command(after_help = "\
Progress is written to standard error, and the reference of each image with its digest to standard output.
Of several platforms, that of this machine (or else the first) gets the name; the others are named by digest.

Examples:
  windlass pull alpine                              The tag `latest` of a Docker Hub image
  windlass pull postgres:18 redis:8                 Two images at the same time
  windlass pull --platform linux/arm64 alpine:3     For another platform
  windlass pull --all-platforms alpine:3            For every platform
  windlass pull ghcr.io/owner/app@sha256:…          Exactly this image, wherever its tags point
  windlass pull --all-tags localhost:5000/app       Every tag of a repository
  windlass pull --json alpine | jq .                JSON for programs
  windlass pull --dry-run alpine                    Show what would be downloaded
  windlass pull --limit-rate 2MB alpine             At most two megabytes per second
  windlass pull --timings pull.html postgres:18     Write a chart of the pull as a web page

A dry run exits with 0 if everything is up to date, with 10 if a pull would change something, and with 1 on \
failure. The disk space is an estimate: the unpacked size of a layer is unknown before it is downloaded.")]
pub(crate) struct Args {
    /// Images to pull: NAME, NAME:TAG or NAME@DIGEST
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,

    /// Pull every tag of each repository
    #[arg(short, long)]
    all_tags: bool,

    /// Print only the references
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,

    /// Platforms to pull, separated by commas [default: that of this machine]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',')]
    platform: Vec<String>,

    /// Pull every platform, and the attestations of the index
    #[arg(long, conflicts_with = "platform")]
    all_platforms: bool,

    /// Print one JSON object per line, like --progress=json
    #[arg(long, conflicts_with = "progress")]
    json: bool,

    /// Type of progress output
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value_t,
        hide_default_value = true
    )]
    progress: ProgressArg,

    /// Maximum number of concurrent layer downloads; 0 for no limit [default: 3]
    #[arg(long, value_name = "N")]
    max_concurrent_downloads: Option<usize>,

    /// Maximum number of connections for one large layer [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: Option<u16>,

    #[command(flatten)]
    network: NetworkOptions,

    /// Show what a pull would do, without doing it; exits with 10 if it would change something
    #[arg(long)]
    dry_run: bool,

    /// Write a web page with a chart of the pull: layers, throughput and CPU over time
    #[arg(
        long,
        value_name = "FILE.html",
        conflicts_with = "dry_run",
        value_parser = PathBufValueParser::new().try_map(parse_path)
    )]
    timings: Option<PathBuf>,

    #[command(flatten)]
    auth: AuthFileArgs,
}

impl Args {
    /// Pulls the images. A failure is reported and does not prevent the other pulls.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let outcome = match self.dry_run {
            true => self.dry_run(context),
            false => self.pull(context),
        };
        match &outcome {
            Err(error) if self.mode(context) == ProgressMode::Json && !error.is_broken_pipe() => {
                let report = error.report();
                json::write_error(context.out, None, &report)?;
                Ok(CommandOutcome::Failure)
            }
            Ok(_) | Err(_) => outcome,
        }
    }

    fn dry_run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let mode = self.mode(context);
        let dry_run = DryRun {
            references: self.references(mode)?,
            all_tags: self.all_tags,
            platforms: self.platforms()?,
            authfile: self.auth.authfile.as_deref(),
            quiet: self.quiet,
            json: mode == ProgressMode::Json,
        };
        dry_run.run(context)
    }

    fn pull(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let mode = self.mode(context);
        let references = self.references(mode)?;
        let platforms = self.platforms()?;
        let destination = self.timings.as_deref().map(Destination::prepare);
        let destination = destination.transpose().map_err(Error::Timings)?;
        let backend = context.backend(&self.purpose(), |engine| {
            if let Some(downloads) = self.max_concurrent_downloads {
                engine.pull.downloads = downloads;
            }
            if let Some(connections) = self.connections {
                engine.pull.split.connections = connections.into();
            }
            self.network.apply(engine);
        })?;
        let (engine, daemon) = match backend {
            Backend::Local(engine) => (*engine, None),
            Backend::Daemon(daemon) => (context.open_unlocked()?, Some(daemon)),
        };
        let credentials = context.credentials(self.auth.authfile.as_deref());
        let mut pull_context = PullContext::new(&engine, credentials, platforms);
        if let Some(daemon) = daemon {
            self.warn_about_ignored_options(mode);
            pull_context = pull_context.with_daemon(daemon, self.network.rate());
        }
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let runtime = current_thread_runtime()?;

        let mut stderr = io::stderr();
        let out = if mode == ProgressMode::Json {
            &mut *context.out
        } else {
            &mut stderr
        };
        let mut runner = PullRunner::new(pull_context, PullReporter::new(mode, out), &runtime);
        if destination.is_some() {
            runner.set_recorder(Recorder::start());
        }
        let outcome = runtime.block_on(runner.pull_all(references, self.all_tags, &signals));
        // Interrupted work ends first, so that the output below is still true afterwards.
        runtime.block_on(engine.idle());
        drop(runtime);
        let written = match destination.zip(runner.recorder()) {
            Some((destination, recorder)) => destination.write(&page(recorder)),
            None => Ok(()),
        };
        let written = written.map_err(Error::Timings);
        match outcome? {
            PullsOutcome::Interrupted(signal) => {
                runner.show_interruption()?;
                written.unwrap_or_else(|error| error.print());
                Ok(CommandOutcome::Interrupted(signal))
            }
            PullsOutcome::Finished(pulls) => {
                if mode != ProgressMode::Json {
                    self.print(context, &pulls)?;
                }
                written?;
                let all_succeeded = pulls.iter().all(Option::is_some);
                Ok(if all_succeeded {
                    CommandOutcome::Success
                } else {
                    CommandOutcome::Failure
                })
            }
        }
    }

    fn platforms(&self) -> Result<Platforms, Error> {
        if self.all_platforms {
            return Ok(Platforms::All);
        }
        let platforms = self.platform.iter().map(|text| parse_platform(text));
        let platforms = platforms.collect::<Result<Vec<_>, _>>()?;
        Ok(match platforms.is_empty() {
            true => Platforms::Host,
            false => Platforms::These(platforms),
        })
    }

    fn mode(&self, context: &Context<'_>) -> ProgressMode {
        let kind = match (self.json, self.quiet) {
            (true, _) => ProgressArg::Json,
            (_, true) => ProgressArg::None,
            _ => self.progress,
        };
        kind.mode(context.environment.terminal_features())
    }

    /// Returns the references to pull without duplicates. A missing tag is `latest`, with a note (REF-7).
    fn references(&self, mode: ProgressMode) -> Result<Vec<Reference>, Error> {
        let mut seen = HashSet::new();
        let mut references = Vec::new();
        for text in &self.references {
            let reference = parse_reference(text)?;
            let is_bare = reference.is_name_only();
            if self.all_tags && !is_bare {
                return Err(Error::TagWithAllTags { text: text.clone() });
            }
            let reference = if self.all_tags {
                reference
            } else {
                reference.or_latest()
            };
            if seen.insert(reference.to_string()) {
                if !self.all_tags
                    && is_bare
                    && !matches!(mode, ProgressMode::Json | ProgressMode::Silent)
                {
                    note("Using default tag: latest");
                }
                references.push(reference);
            }
        }
        Ok(references)
    }

    /// Warns about options that have no effect on a pull by the daemon.
    fn warn_about_ignored_options(&self, mode: ProgressMode) {
        let is_given = self.max_concurrent_downloads.is_some()
            || self.connections.is_some()
            || self.network.has_retry_or_timeout();
        if is_given && !matches!(mode, ProgressMode::Json | ProgressMode::Silent) {
            warn(
                "the daemon that owns the store pulls with its own settings for concurrency, retries and timeouts",
            );
        }
    }

    fn purpose(&self) -> String {
        format!("windlass pull {}", self.references.join(" "))
    }

    /// Prints the reference of each image, with the digest unless `--quiet` (as in Docker).
    fn print(&self, context: &mut Context<'_>, pulls: &[Option<Pulled>]) -> io::Result<()> {
        for pulled in pulls.iter().flatten() {
            if self.quiet {
                writeln!(context.out, "{}", pulled.reference)?;
            } else {
                writeln!(
                    context.out,
                    "{}",
                    pulled.reference.with_digest(pulled.digest)
                )?;
            }
        }
        context.out.flush()
    }
}
