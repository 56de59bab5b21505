//! `windlass pull`

mod context;
mod dry_run;
mod network_options;
mod runner;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser as _};
use windlass::{Platforms, Pulled, Reference};

use super::remote_query::runtime;
use super::{AuthFile, CommandOutcome, parse_platform, parse_reference, report};
use crate::backend::Backend;
use crate::context::{Context, note, warn};
use crate::error::Error;
use crate::output;
use crate::progress::{Asked, Board, Mode, Record};
use crate::signals::Signals;
use context::PullContext;
use network_options::NetworkOptions;
use runner::{Outcome, PullRunner};
use windlass_timings::{Destination, Recorder, page, parse_path};

/// Images that are pulled, or looked up, at the same time; their layers share the download slots.
const AT_ONCE: usize = 8;

/// Download images, verify and unpack them
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "a flag each")]
#[command(after_help = "\
Progress goes to standard error. Standard output gets one line an image, its reference with the digest.
Of several platforms, the machine's own has the name (or else the first); the others are called by their digests.

Examples:
  windlass pull alpine                              The tag `latest` of a Docker Hub image
  windlass pull postgres:18 redis:8                 Two images at once
  windlass pull --platform linux/arm64 alpine:3     For another machine
  windlass pull --all-platforms alpine:3            For every machine that it is there for
  windlass pull ghcr.io/owner/app@sha256:…          Exactly this, whatever a tag says today
  windlass pull --all-tags localhost:5000/app       Every tag of a repository
  windlass pull --json alpine | jq .                For programs
  windlass pull --dry-run alpine                    What there is to download; nothing changes
  windlass pull --limit-rate 2MB alpine             No faster than two megabytes a second
  windlass pull --timings pull.html postgres:18     Where the time went, for a browser

A dry run exits with 0 if there is nothing to do, with 10 if a pull would change something, with 1 if that \
could not be found out. Disk space is an estimate: what a layer unpacks to is known when it is here.")]
pub(crate) struct Args {
    /// Images to pull: NAME, NAME:TAG or NAME@DIGEST
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,

    /// Pull every tag of the repositories
    #[arg(short, long)]
    all_tags: bool,

    /// Print nothing but the reference
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,

    /// Pull for these platforms, separated by commas, instead of the machine's own
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',')]
    platform: Vec<String>,

    /// Pull for every platform that there is
    #[arg(long, conflicts_with = "platform")]
    all_platforms: bool,

    /// Print one JSON object a line; the same as --progress=json
    #[arg(long, conflicts_with = "progress")]
    json: bool,

    /// How progress is shown
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value_t,
        hide_default_value = true
    )]
    progress: Asked,

    /// Layers to download at once; 0 for no limit [default: 3]
    #[arg(long, value_name = "N")]
    max_concurrent_downloads: Option<usize>,

    /// Connections for one large layer, at most; 1 for never more than one [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: Option<u16>,

    #[command(flatten)]
    network: NetworkOptions,

    /// Show what a pull would do, and do nothing; exits with 10 if it would change something
    #[arg(long)]
    dry_run: bool,

    /// Write a picture of the pull, a web page: what each layer did when, throughput and CPU
    #[arg(
        long,
        value_name = "FILE.html",
        conflicts_with = "dry_run",
        value_parser = PathBufValueParser::new().try_map(parse_path)
    )]
    timings: Option<PathBuf>,

    #[command(flatten)]
    auth: AuthFile,
}

impl Args {
    /// Pulls. An image that fails is reported and does not keep the others from being pulled.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let ended = match self.dry_run {
            true => self.look(context),
            false => self.pull(context),
        };
        match &ended {
            Err(error) if self.mode(context) == Mode::Json && !error.is_broken_pipe() => {
                let report = error.report();
                output::json::line(context.out, &Record::error(None, &report))?;
                Ok(CommandOutcome::Failure)
            }
            Ok(_) | Err(_) => ended,
        }
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
            Backend::Daemon(daemon) => (context.look()?, Some(daemon)),
        };
        let keys = context.keys(self.auth.authfile.as_deref());
        let mut pull_context = PullContext::new(&engine, keys, platforms);
        if let Some(daemon) = daemon {
            self.tell_whose_settings(mode);
            pull_context = pull_context.by(daemon, self.network.rate());
        }
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let runtime = runtime()?;

        let mut stderr = io::stderr();
        let out = if mode == Mode::Json {
            &mut *context.out
        } else {
            &mut stderr
        };
        let mut runner = PullRunner::new(pull_context, Board::new(mode, out), &runtime);
        if destination.is_some() {
            runner.record(Recorder::start());
        }
        let outcome = runtime.block_on(runner.pull_all(references, self.all_tags, &signals));
        // What was left in the middle comes to rest first: what is said then stays true.
        runtime.block_on(engine.idle());
        drop(runtime);
        let written = match destination.zip(runner.recorded()) {
            Some((destination, recorder)) => destination.write(&page(recorder)),
            None => Ok(()),
        };
        let written = written.map_err(Error::Timings);
        match outcome? {
            Outcome::Stopped(signal) => {
                runner.stopped()?;
                written.unwrap_or_else(|error| report(&error));
                Ok(CommandOutcome::Interrupted(signal))
            }
            Outcome::Over(pulls) => {
                if mode != Mode::Json {
                    self.print(context, &pulls)?;
                }
                written?;
                let is_well = pulls.iter().all(Option::is_some);
                Ok(if is_well {
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
        let wanted = self.platform.iter().map(|text| parse_platform(text));
        let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
        Ok(match wanted.is_empty() {
            true => Platforms::Host,
            false => Platforms::These(wanted),
        })
    }

    fn mode(&self, context: &Context<'_>) -> Mode {
        let asked = match (self.json, self.quiet) {
            (true, _) => Asked::Json,
            (_, true) => Asked::None,
            _ => self.progress,
        };
        Mode::choose(asked, context.environment.surroundings())
    }

    /// What was asked for, each once; a tag is added where one is missing, and said (REF-7).
    fn references(&self, mode: Mode) -> Result<Vec<Reference>, Error> {
        let mut seen = HashSet::new();
        let mut references = Vec::new();
        for text in &self.references {
            let reference = parse_reference(text)?;
            let is_bare = reference.is_name_only();
            if self.all_tags && !is_bare {
                return Err(Error::TagWithAllTags { text: text.clone() });
            }
            let wanted = if self.all_tags {
                reference
            } else {
                reference.or_latest()
            };
            if seen.insert(wanted.to_string()) {
                if !self.all_tags && is_bare && !matches!(mode, Mode::Json | Mode::Silent) {
                    note("Using default tag: latest");
                }
                references.push(wanted);
            }
        }
        Ok(references)
    }

    /// Says what has no effect where a daemon pulls.
    fn tell_whose_settings(&self, mode: Mode) {
        let is_given = self.max_concurrent_downloads.is_some()
            || self.connections.is_some()
            || self.network.is_given();
        if is_given && !matches!(mode, Mode::Json | Mode::Silent) {
            warn(
                "the daemon that owns the store pulls: how often, how long and over how many connections is its own",
            );
        }
    }

    fn purpose(&self) -> String {
        format!("windlass pull {}", self.references.join(" "))
    }

    /// Prints the result: what Docker's `-q` prints, or the same with the digest.
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
