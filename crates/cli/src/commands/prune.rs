//! `windlass prune`

use jiff::ZonedDateTime;
use serde::Serialize;
use windlass::{Digest, FilterUse, Filters, PartialBlob, Prune, Pruned, Removed};

use super::CommandOutcome;
use super::remote_query::runtime;
use super::removal_record::RemovalRecord;
use windlass_report::OperationError;

use crate::context::{Context, note};
use crate::error::Error;
use crate::output::{self, human};
use crate::prompt::{self, Answer};
use crate::signals::{Signal, Signals};

/// Remove images without a tag, or all
///
/// Removed are images that no tag leads to, also if a digest does; with --all, every image. With them goes what no other
/// image needs. An image that is mounted stays. At a terminal you are asked first.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "a flag each")]
#[command(after_help = "\
Filters (all of them must hold):
  until=TIME            Made before that: 24h, 7d, 2026-01-31T12:00 or seconds since 1970.
                        An image that does not say when it was made is older than everything
  label=KEY[=VALUE]     With this label
  label!=KEY[=VALUE]    Without it
  dangling=true|false   Without a tag, or with one

Examples:
  windlass prune                           Images without a tag
  windlass prune --all --filter until=7d   All that were made more than a week ago
  windlass prune --all --filter label!=keep
  windlass prune --partials --force        Also what the next pulls would go on with
  windlass prune --dry-run --json | jq .reclaimed")]
pub(crate) struct Args {
    /// Remove all images, not only those without a tag
    #[arg(short, long)]
    all: bool,

    /// Do not ask
    #[arg(short, long)]
    force: bool,

    /// Remove only images that the filter lets through; can be given several times
    #[arg(long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,

    /// Also remove what is there of layers that stopped on their way
    #[arg(long)]
    partials: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

/// All of it for programs.
#[derive(Serialize)]
struct Record<'a> {
    dry_run: bool,
    #[serde(flatten)]
    gone: RemovalRecord<'a>,
    partials: Vec<Partial<'a>>,
}

#[derive(Serialize)]
struct Partial<'a> {
    digest: &'a Digest,
    size: u64,
    held: u64,
}

/// What was said to the question.
enum Consent {
    Yes,
    No,
    Stopped(Signal),
}

impl Args {
    /// Asks, and removes.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let what = self.what()?;
        let pruned = if self.dry_run {
            context
                .look()?
                .prune_preview(&what)
                .map_err(OperationError::Prune)?
        } else {
            match self.consent(&what)? {
                Consent::Yes => {}
                Consent::No => {
                    note("Nothing was removed.");
                    return Ok(CommandOutcome::Failure);
                }
                Consent::Stopped(signal) => {
                    note("Stopped. Nothing was removed.");
                    return Ok(CommandOutcome::Interrupted(signal));
                }
            }
            let backend = context.backend("windlass prune", |_| {})?;
            backend.prune(&what, &self.filters)?
        };
        if self.json {
            output::json::line(context.out, &self.record(&pruned))?;
        } else {
            self.print(context, &pruned)?;
        }
        context.out.flush()?;
        Ok(CommandOutcome::Success)
    }

    fn what(&self) -> Result<Prune, Error> {
        let filters = self.filters.iter().map(String::as_str);
        let filters = Filters::parse(FilterUse::Prune, filters, &ZonedDateTime::now());
        Ok(Prune {
            all: self.all,
            partials: self.partials,
            filters: filters.map_err(OperationError::Filter)?,
        })
    }

    fn consent(&self, what: &Prune) -> Result<Consent, Error> {
        if self.force {
            return Ok(Consent::Yes);
        }
        if !prompt::is_possible() {
            return Err(Error::Usage {
                text: "there is no terminal to ask before images are removed: give --force, or --dry-run to see \
                       which those are"
                    .to_owned(),
            });
        }
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let answer = runtime()?.block_on(prompt::line(&question(what), &signals));
        let answer = answer.map_err(|source| Error::Input {
            what: "answer",
            source,
        })?;
        Ok(match answer {
            Answer::Stopped(signal) => Consent::Stopped(signal),
            Answer::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => Consent::Yes,
                _ => Consent::No,
            },
        })
    }

    /// As Docker prints it.
    fn print(&self, context: &mut Context<'_>, pruned: &Pruned) -> Result<(), Error> {
        let would = if self.dry_run {
            "Would delete"
        } else {
            "Deleted"
        };
        if !pruned.removed.is_empty() {
            writeln!(context.out, "{would} Images:")?;
            for removed in &pruned.removed {
                match removed {
                    Removed::Untagged(name) => writeln!(context.out, "untagged: {name}")?,
                    Removed::Deleted(digest) => writeln!(context.out, "deleted: {digest}")?,
                }
            }
            writeln!(context.out)?;
        }
        if !pruned.partials.is_empty() {
            writeln!(context.out, "{would} Partial Downloads:")?;
            for PartialBlob { digest, .. } in &pruned.partials {
                writeln!(context.out, "deleted: {digest}")?;
            }
            writeln!(context.out)?;
        }
        let total = if self.dry_run {
            "reclaimable"
        } else {
            "reclaimed"
        };
        let space = human::usage_size(pruned.freed);
        Ok(writeln!(context.out, "Total {total} space: {space}")?)
    }

    fn record<'a>(&self, pruned: &'a Pruned) -> Record<'a> {
        let partial = |blob: &'a PartialBlob| Partial {
            digest: &blob.digest,
            size: blob.size,
            held: blob.stored,
        };
        Record {
            dry_run: self.dry_run,
            gone: RemovalRecord::new(&pruned.removed, pruned.freed),
            partials: pruned.partials.iter().map(partial).collect(),
        }
    }
}

fn question(what: &Prune) -> String {
    let images = match what.all || what.filters.dangling() == Some(false) {
        true => "all images",
        false => "all images without a tag",
    };
    let filtered = match what.filters.is_empty() {
        true => "",
        false => " that the filters let through",
    };
    let partials = match what.partials {
        true => "\n  - all parts of layers that the next pull would go on with",
        false => "",
    };
    format!(
        "WARNING! This will remove:\n  - {images}{filtered}{partials}\nAre you sure you want to continue? [y/N] "
    )
}
