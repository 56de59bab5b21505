//! `windlass prune`

use jiff::ZonedDateTime;
use serde::Serialize;
use windlass::image::Digest;
use windlass::store::PartialBlob;
use windlass::{FilterUse, Filters, Prune, Pruned, Removed};
use windlass_error_report::OperationError;
use windlass_progress::human;

use super::CommandOutcome;
use super::removal_record::RemovalRecord;
use crate::context::Context;
use crate::error::Error;
use crate::operation::current_thread_runtime;
use crate::output;
use crate::output::message::note;
use crate::prompt::{self, PromptOutcome};
use crate::signals::{Signal, Signals};

/// Remove untagged images, or all images
///
/// Images that have only digests are untagged, too. Layers and blobs that no other image needs are removed with them.
/// Mounted images are kept. Without --force, prompts for confirmation.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one field per flag")]
#[command(after_help = "\
Filters (an image must match all of them):
  until=TIME            Created before a time: 24h (ago), 7d, 2026-01-31T12:00 or a Unix timestamp.
                        Images without a creation time always match
  label=KEY[=VALUE]     With this label
  label!=KEY[=VALUE]    Without this label
  dangling=true|false   Without or with a tag

Examples:
  windlass prune                           Untagged images
  windlass prune --all --filter until=7d   All images created more than a week ago
  windlass prune --all --filter label!=keep
  windlass prune --partials --force        Also partial downloads
  windlass prune --dry-run --json | jq .reclaimed")]
pub(crate) struct Args {
    /// Remove all images, not only untagged ones
    #[arg(short, long)]
    all: bool,

    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,

    /// Remove only images that match the filter; can be given several times
    #[arg(long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,

    /// Also remove partial downloads
    #[arg(long)]
    partials: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Show what would be removed, without removing it
    #[arg(long)]
    dry_run: bool,
}

/// The result, as JSON.
#[derive(Serialize)]
struct PruneRecord<'a> {
    dry_run: bool,
    #[serde(flatten)]
    removal: RemovalRecord<'a>,
    partials: Vec<RemovedPartial<'a>>,
}

#[derive(Serialize)]
struct RemovedPartial<'a> {
    digest: &'a Digest,
    size: u64,
    held: u64,
}

/// The response to the confirmation prompt.
enum Confirmation {
    Yes,
    No,
    Interrupted(Signal),
}

impl Args {
    /// Removes the images after a confirmation.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let selection = self.selection()?;
        let pruned = if self.dry_run {
            context
                .open_unlocked()?
                .prune_preview(&selection)
                .map_err(OperationError::Prune)?
        } else {
            match self.confirm(&selection)? {
                Confirmation::Yes => {}
                Confirmation::No => {
                    note("Nothing was removed.");
                    return Ok(CommandOutcome::Failure);
                }
                Confirmation::Interrupted(signal) => {
                    note("Stopped. Nothing was removed.");
                    return Ok(CommandOutcome::Interrupted(signal));
                }
            }
            let backend = context.backend("windlass prune", |_| {})?;
            backend.prune(&selection, &self.filters)?
        };
        if self.json {
            output::json::line(context.out, &self.record(&pruned))?;
        } else {
            self.print(context, &pruned)?;
        }
        context.out.flush()?;
        Ok(CommandOutcome::Success)
    }

    fn selection(&self) -> Result<Prune, Error> {
        let filters = self.filters.iter().map(String::as_str);
        let filters = Filters::parse(FilterUse::Prune, filters, &ZonedDateTime::now());
        Ok(Prune {
            all: self.all,
            partials: self.partials,
            filters: filters.map_err(OperationError::Filter)?,
        })
    }

    fn confirm(&self, selection: &Prune) -> Result<Confirmation, Error> {
        if self.force {
            return Ok(Confirmation::Yes);
        }
        if !prompt::is_interactive() {
            return Err(Error::Usage {
                text: "there is no terminal to confirm the removal: use --force to skip the prompt, or --dry-run to see what would \
                       be removed"
                    .to_owned(),
            });
        }
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let answer = current_thread_runtime()?
            .block_on(prompt::line(&confirmation_prompt(selection), &signals));
        let answer = answer.map_err(|source| Error::Input {
            what: "answer",
            source,
        })?;
        Ok(match answer {
            PromptOutcome::Interrupted(signal) => Confirmation::Interrupted(signal),
            PromptOutcome::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => Confirmation::Yes,
                _ => Confirmation::No,
            },
        })
    }

    /// Prints the result like Docker.
    fn print(&self, context: &mut Context<'_>, pruned: &Pruned) -> Result<(), Error> {
        let verb = if self.dry_run {
            "Would delete"
        } else {
            "Deleted"
        };
        if !pruned.removed.is_empty() {
            writeln!(context.out, "{verb} Images:")?;
            for removed in &pruned.removed {
                match removed {
                    Removed::Untagged(name) => writeln!(context.out, "untagged: {name}")?,
                    Removed::Deleted(digest) => writeln!(context.out, "deleted: {digest}")?,
                }
            }
            writeln!(context.out)?;
        }
        if !pruned.partials.is_empty() {
            writeln!(context.out, "{verb} Partial Downloads:")?;
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

    fn record<'a>(&self, pruned: &'a Pruned) -> PruneRecord<'a> {
        let partial = |blob: &'a PartialBlob| RemovedPartial {
            digest: &blob.digest,
            size: blob.size,
            held: blob.stored,
        };
        PruneRecord {
            dry_run: self.dry_run,
            removal: RemovalRecord::new(&pruned.removed, pruned.freed),
            partials: pruned.partials.iter().map(partial).collect(),
        }
    }
}

fn confirmation_prompt(selection: &Prune) -> String {
    let images = match selection.all || selection.filters.dangling() == Some(false) {
        true => "all images",
        false => "all images without a tag",
    };
    let filtered = match selection.filters.is_empty() {
        true => "",
        false => " that match the filters",
    };
    let partials = match selection.partials {
        true => "\n  - all partial downloads",
        false => "",
    };
    format!(
        "WARNING! This will remove:\n  - {images}{filtered}{partials}\nAre you sure you want to continue? [y/N] "
    )
}
