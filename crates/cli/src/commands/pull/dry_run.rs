//! `windlass pull --dry-run`: what there is to do, and whether there is room for it.

use std::collections::HashMap;
use std::path::Path;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use windlass::{Digest, Preview, PullEvent, PullRequest, Reference};

use super::context::PullContext;
use super::{AT_ONCE, Args};
use windlass_report::{ErrorReport, RegistryAction};

use crate::commands::CommandOutcome;
use crate::commands::remote_query::runtime;
use crate::context::{Context, note, warn};
use crate::environment;
use crate::error::{Error, render};
use crate::output;
use crate::output::human;
use crate::output::table::Table;
use crate::progress::{Forecast, Mode, Record, setback_line};
use crate::signals::Signals;
use windlass::text::escape;

/// What was found out about one image, and what was told meanwhile.
struct Found {
    reference: Reference,
    events: Vec<PullEvent>,
    outcome: Result<Preview, ErrorReport>,
}

/// The disk of the store.
struct Room {
    /// Bytes that this user may fill, if that is known.
    free: Option<u64>,
    /// Bytes that the images need, about.
    needed: u64,
}

impl Args {
    /// Finds out what a pull would do, and tells.
    pub(super) fn look(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let mode = self.mode(context);
        let references = self.references(mode)?;
        let platforms = self.platforms()?;
        let engine = context.look()?;
        let root = context.root()?;
        let keys = context.keys(self.auth.authfile.as_deref());
        let pull_context = PullContext::new(&engine, keys, platforms);
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let found = runtime()?.block_on(async {
            tokio::select! {
                biased;
                signal = signals.first() => Ok(Err(signal)),
                found = find_all(&pull_context, references, self.all_tags) => found.map(Ok),
            }
        })?;
        let found = match found {
            Ok(found) => found,
            Err(signal) => {
                note("Stopped. Nothing was changed.");
                return Ok(CommandOutcome::Interrupted(signal));
            }
        };
        let room = Room::on_disk_of(&root, &found);
        match mode {
            Mode::Json => write_json(context, &found, &room)?,
            _ => self.write_text(context, &found, &room, &root)?,
        }
        context.out.flush()?;
        Ok(ended(&found))
    }

    fn write_text(
        &self,
        context: &mut Context<'_>,
        found: &[Found],
        room: &Room,
        root: &Path,
    ) -> Result<(), Error> {
        for found in found {
            if !self.quiet {
                let name = found.reference.familiar();
                for setback in setbacks(&found.events) {
                    note(&setback_line(&name, setback));
                }
            }
            if let Err(report) = &found.outcome {
                note(&render(report, environment::colors()));
            }
        }
        let previews: Vec<&Preview> = previews(found).collect();
        if self.quiet {
            for preview in previews.iter().filter(|preview| preview.is_newer) {
                writeln!(context.out, "{}", preview.reference)?;
            }
            return Ok(());
        }
        if !previews.is_empty() {
            table(&previews).write(context.out)?;
            context.out.flush()?;
        }
        room.tell(root);
        Ok(())
    }
}

async fn find_all(
    pull_context: &PullContext<'_>,
    references: Vec<Reference>,
    all_tags: bool,
) -> Result<Vec<Found>, Error> {
    let references = if all_tags {
        pull_context.all_tags(&references).await?
    } else {
        references
    };
    let found = stream::iter(references)
        .map(|reference| async move {
            match pull_context.requests(reference).await {
                Ok(requests) => {
                    let found = requests
                        .into_iter()
                        .map(|request| find(pull_context, request));
                    join_all(found).await
                }
                Err(error) => vec![not_found(error)],
            }
        })
        .buffered(AT_ONCE);
    Ok(found.concat().await)
}

async fn find(pull_context: &PullContext<'_>, request: PullRequest) -> Found {
    let (reference, mut events) = (request.reference.clone(), Vec::new());
    let preview = pull_context.engine.preview(request);
    let outcome = preview.drive(|event| events.push(event)).await;
    let outcome = outcome.map_err(|source| {
        let error = pull_context.error(RegistryAction::Preview, &reference, source);
        error.report()
    });
    Found {
        reference,
        events,
        outcome,
    }
}

fn not_found(error: (Reference, ErrorReport)) -> Found {
    let (reference, report) = error;
    Found {
        reference,
        events: Vec::new(),
        outcome: Err(report),
    }
}

fn setbacks(events: &[PullEvent]) -> impl Iterator<Item = &windlass::Setback> {
    events.iter().filter_map(|event| match event {
        PullEvent::Setback(setback) => Some(setback),
        PullEvent::Resolving { .. }
        | PullEvent::Resolved { .. }
        | PullEvent::Planned { .. }
        | PullEvent::Layer { .. }
        | PullEvent::Committing => None,
    })
}

fn previews(found: &[Found]) -> impl Iterator<Item = &Preview> {
    found.iter().filter_map(|found| found.outcome.as_ref().ok())
}

fn ended(found: &[Found]) -> CommandOutcome {
    if found.iter().any(|found| found.outcome.is_err()) {
        CommandOutcome::Failure
    } else if previews(found).any(|preview| preview.is_newer) {
        CommandOutcome::UpdateAvailable
    } else {
        CommandOutcome::Success
    }
}

fn write_json(context: &mut Context<'_>, found: &[Found], room: &Room) -> Result<(), Error> {
    for found in found {
        let reference = found.reference.to_string();
        for event in &found.events {
            output::json::line(context.out, &Record::of_event(&reference, event))?;
        }
        let record = match &found.outcome {
            Ok(preview) => Record::preview(&reference, preview, room.free),
            Err(report) => Record::error(Some(&reference), report),
        };
        output::json::line(context.out, &record)?;
    }
    Ok(())
}

fn table(previews: &[&Preview]) -> Table<6> {
    let mut table = Table::new(["IMAGE", "STATUS", "LAYERS", "DOWNLOAD", "REUSED", "DISK"]);
    for preview in previews {
        let missing = preview.layers.iter().filter(|layer| !layer.exists).count();
        let forecast = Forecast::of(preview);
        table.push([
            preview.reference.familiar(),
            forecast.words().to_owned(),
            match missing {
                0 => preview.layers.len().to_string(),
                _ => format!("{missing} of {}", preview.layers.len()),
            },
            human::usage_size(preview.missing_bytes),
            human::usage_size(preview.reused_bytes),
            match Forecast::disk(preview.missing_bytes) {
                0 => "0B".to_owned(),
                about => format!("~{}", human::table_size(about)),
            },
        ]);
    }
    table
}

impl Room {
    /// Looks at the disk that `root` is on, or would be. A layer that several images need is needed once.
    fn on_disk_of(root: &Path, found: &[Found]) -> Self {
        let layers = previews(found).flat_map(|preview| &preview.layers);
        let missing = layers.filter(|layer| !layer.exists);
        let missing: HashMap<Digest, u64> =
            missing.map(|layer| (layer.digest, layer.size)).collect();
        let bytes = missing
            .values()
            .fold(0, |sum: u64, size| sum.saturating_add(*size));
        Self {
            free: free_bytes(root),
            needed: Forecast::disk(bytes),
        }
    }

    fn tell(&self, root: &Path) {
        let Some(free) = self.free.filter(|_| self.needed > 0) else {
            return;
        };
        let root = root.to_string_lossy();
        let (needed, free_text) = (human::about(self.needed), human::about(free));
        let line = format!(
            "about {needed} of disk space needed, {free_text} free in {}",
            escape(&root)
        );
        if self.needed > free {
            warn(&line);
        } else {
            note(&line);
        }
    }
}

/// Returns the bytes that this user may fill where `root` is, or will be made.
fn free_bytes(root: &Path) -> Option<u64> {
    let root = std::path::absolute(root).ok()?;
    let there = root.ancestors().find(|path| path.exists())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}
