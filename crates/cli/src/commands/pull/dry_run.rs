//! `windlass pull --dry-run`: what a pull would do, and whether there is enough disk space.

use std::collections::HashMap;
use std::path::Path;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use windlass::image::{Digest, Platforms, Reference};
use windlass::text::escape;
use windlass::{Preview, PullEvent, PullRequest};
use windlass_error_report::{ErrorReport, RegistryAction};
use windlass_progress::{
    PreviewStatus, error_text, estimated_disk_bytes, human, json, setback_text,
};

use super::context::{MAX_CONCURRENT_IMAGES, PullContext};
use crate::commands::CommandOutcome;
use crate::context::Context;
use crate::environment;
use crate::error::Error;
use crate::operation::current_thread_runtime;
use crate::output::message::{note, warn};
use crate::output::table::Table;
use crate::signals::Signals;

/// The options of a dry run.
pub(super) struct DryRun<'a> {
    pub(super) references: Vec<Reference>,
    /// All tags of the repositories of `references`.
    pub(super) all_tags: bool,
    pub(super) platforms: Platforms,
    pub(super) authfile: Option<&'a Path>,
    /// Prints only the references of images that a pull would change.
    pub(super) quiet: bool,
    /// Prints JSON.
    pub(super) json: bool,
}

/// The preview of one image, and the events until then.
struct ImagePreview {
    reference: Reference,
    events: Vec<PullEvent>,
    outcome: Result<Preview, ErrorReport>,
}

/// Disk space for the store, in bytes.
struct DiskSpace {
    /// Available to this user, if it can be determined.
    free: Option<u64>,
    /// An estimate of what the images need.
    needed: u64,
}

impl DryRun<'_> {
    /// Prints what a pull would do.
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let engine = context.open_unlocked()?;
        let root = context.root()?;
        let credentials = context.credentials(self.authfile);
        let pull_context = PullContext::new(&engine, credentials, self.platforms);
        let signals = Signals::watch().map_err(Error::Runtime)?;
        let images = preview_all(&pull_context, self.references, self.all_tags);
        let images = current_thread_runtime()?.block_on(signals.interruptible(images));
        let images = match images {
            Ok(images) => images?,
            Err(signal) => {
                note("Stopped. Nothing was changed.");
                return Ok(CommandOutcome::Interrupted(signal));
            }
        };
        let space = DiskSpace::on_disk_of(&root, &images);
        match (self.json, self.quiet) {
            (true, _) => write_json(context, &images, &space)?,
            (false, true) => write_references(context, &images)?,
            (false, false) => write_text(context, &images, &space, &root)?,
        }
        context.out.flush()?;
        Ok(outcome(&images))
    }
}

/// Writes the references of images that a pull would change.
fn write_references(context: &mut Context<'_>, images: &[ImagePreview]) -> Result<(), Error> {
    images.iter().for_each(report_failure);
    for preview in previews(images).filter(|preview| preview.is_newer) {
        writeln!(context.out, "{}", preview.reference)?;
    }
    Ok(())
}

fn write_text(
    context: &mut Context<'_>,
    images: &[ImagePreview],
    space: &DiskSpace,
    root: &Path,
) -> Result<(), Error> {
    for image in images {
        let name = image.reference.familiar();
        for setback in setbacks(&image.events) {
            note(&setback_text(&name, setback));
        }
        report_failure(image);
    }
    let previews: Vec<&Preview> = previews(images).collect();
    if !previews.is_empty() {
        table(&previews).write(context.out)?;
        context.out.flush()?;
    }
    space.print(root);
    Ok(())
}

/// Prints the error on standard error, if there is one.
fn report_failure(image: &ImagePreview) {
    if let Err(report) = &image.outcome {
        note(&error_text(report, environment::colors()));
    }
}

async fn preview_all(
    pull_context: &PullContext<'_>,
    references: Vec<Reference>,
    all_tags: bool,
) -> Result<Vec<ImagePreview>, Error> {
    let references = if all_tags {
        pull_context.all_tags(&references).await?
    } else {
        references
    };
    let images = stream::iter(references)
        .map(|reference| async move {
            match pull_context.requests(reference).await {
                Ok(requests) => {
                    let images = requests
                        .into_iter()
                        .map(|request| preview(pull_context, request));
                    join_all(images).await
                }
                Err(error) => vec![failed_preview(error)],
            }
        })
        .buffered(MAX_CONCURRENT_IMAGES);
    Ok(images.concat().await)
}

async fn preview(pull_context: &PullContext<'_>, request: PullRequest) -> ImagePreview {
    let (reference, mut events) = (request.reference.clone(), Vec::new());
    let preview = pull_context.engine.preview(request);
    let outcome = preview.drive(|event| events.push(event)).await;
    let outcome = outcome.map_err(|source| {
        let error = pull_context.error(RegistryAction::Preview, &reference, source);
        error.report()
    });
    ImagePreview {
        reference,
        events,
        outcome,
    }
}

fn failed_preview(error: (Reference, ErrorReport)) -> ImagePreview {
    let (reference, report) = error;
    ImagePreview {
        reference,
        events: Vec::new(),
        outcome: Err(report),
    }
}

fn setbacks(events: &[PullEvent]) -> impl Iterator<Item = &windlass::transfer::Setback> {
    events.iter().filter_map(|event| match event {
        PullEvent::Setback(setback) => Some(setback),
        PullEvent::Resolving { .. }
        | PullEvent::Resolved { .. }
        | PullEvent::Planned { .. }
        | PullEvent::Layer { .. }
        | PullEvent::Committing => None,
    })
}

fn previews(images: &[ImagePreview]) -> impl Iterator<Item = &Preview> {
    images
        .iter()
        .filter_map(|image| image.outcome.as_ref().ok())
}

fn outcome(images: &[ImagePreview]) -> CommandOutcome {
    if images.iter().any(|image| image.outcome.is_err()) {
        CommandOutcome::Failure
    } else if previews(images).any(|preview| preview.is_newer) {
        CommandOutcome::UpdateAvailable
    } else {
        CommandOutcome::Success
    }
}

fn write_json(
    context: &mut Context<'_>,
    images: &[ImagePreview],
    space: &DiskSpace,
) -> Result<(), Error> {
    for image in images {
        let reference = image.reference.to_string();
        for event in &image.events {
            json::write_event(context.out, &reference, event)?;
        }
        match &image.outcome {
            Ok(preview) => json::write_preview(context.out, &reference, preview, space.free)?,
            Err(report) => json::write_error(context.out, Some(&reference), report)?,
        }
    }
    Ok(())
}

fn table(previews: &[&Preview]) -> Table<6> {
    let mut table = Table::new(["IMAGE", "STATUS", "LAYERS", "DOWNLOAD", "REUSED", "DISK"]);
    for preview in previews {
        let missing = preview.layers.iter().filter(|layer| !layer.exists).count();
        let status = PreviewStatus::from_preview(preview);
        table.push([
            preview.reference.familiar(),
            status.as_str().to_owned(),
            match missing {
                0 => preview.layers.len().to_string(),
                _ => format!("{missing} of {}", preview.layers.len()),
            },
            human::usage_size(preview.missing_bytes),
            human::usage_size(preview.reused_bytes),
            match estimated_disk_bytes(preview.missing_bytes) {
                0 => "0B".to_owned(),
                about => format!("~{}", human::table_size(about)),
            },
        ]);
    }
    table
}

impl DiskSpace {
    /// Returns the space on the disk of `root`. A layer of several images counts once.
    fn on_disk_of(root: &Path, images: &[ImagePreview]) -> Self {
        let layers = previews(images).flat_map(|preview| &preview.layers);
        let missing = layers.filter(|layer| !layer.exists);
        let missing: HashMap<Digest, u64> =
            missing.map(|layer| (layer.digest, layer.size)).collect();
        let bytes = missing
            .values()
            .fold(0, |sum: u64, size| sum.saturating_add(*size));
        Self {
            free: free_bytes(root),
            needed: estimated_disk_bytes(bytes),
        }
    }

    fn print(&self, root: &Path) {
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

/// Returns the bytes that are available to this user on the disk of `root`, which may not exist yet.
fn free_bytes(root: &Path) -> Option<u64> {
    let root = std::path::absolute(root).ok()?;
    let existing = root.ancestors().find(|path| path.exists())?;
    let disk = rustix::fs::statvfs(existing).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}
