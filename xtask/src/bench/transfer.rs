//! Transfers: images are saved, loaded, copied and pushed by windlass and other tools.

mod sources;
mod task;
mod tool;

use std::path::Path;

use anyhow::{Context, ensure};
use windlass_testing::real::{DockerRegistry, RegistryAuth};

use self::sources::TransferSources;
pub(super) use self::task::TransferTask;
use self::tool::TransferRun;
pub(super) use self::tool::TransferTool;
use super::image::BenchImage;
use super::measure::Measurement;
use super::report::{BenchReport, ReportRow, ReportTable, RowGroup, progress};
use super::{BenchContext, files};

const TITLE: &str = "Transfers";

/// Runs each of `tasks` with every image and every tool that supports it, in turns.
pub(super) fn measure(
    context: &BenchContext<'_>,
    tasks: &[TransferTask],
    transfer_tools: &[TransferTool],
) -> anyhow::Result<BenchReport> {
    let tool_runs = |task: TransferTask| {
        let able = transfer_tools.iter().copied();
        able.filter(move |tool| tool.description(task).is_some())
    };
    let group = |&task: &TransferTask| {
        let rows = tool_runs(task).map(|tool| {
            let description = tool.description(task).unwrap_or_default();
            ReportRow::new(tool.name(), description)
        });
        RowGroup::new(Some(task.description()), rows.collect())
    };
    let table = |image| ReportTable::new(image, tasks.iter().map(group).collect());
    let programs: Vec<_> = transfer_tools
        .iter()
        .flat_map(|one| one.programs())
        .collect();
    let programs: Vec<_> = programs.into_iter().copied().collect();
    let mut report = BenchReport::new(
        TITLE,
        include_str!("preamble.md"),
        context.runs,
        &programs,
        context.images.iter().map(table).collect(),
    );
    for (image, table) in context.images.iter().zip(&mut report.tables) {
        let name = image.kind.name();
        progress(&format!("{name}: creating the sources"));
        let sources = TransferSources::make(context, image, tasks, transfer_tools)?;
        for run in 1..=context.runs {
            for (&task, group) in tasks.iter().zip(&mut table.groups) {
                for (tool, row) in tool_runs(task).zip(&mut group.rows) {
                    let outcome = one_run(context, image, &sources, task, tool);
                    let what = format!("{name} run {run}: {}", task.description());
                    row.add(&what, outcome);
                }
            }
        }
    }
    Ok(report)
}

/// Measures one transfer to an empty file system or an empty registry on it.
fn one_run(
    context: &BenchContext<'_>,
    image: &BenchImage,
    sources: &TransferSources,
    task: TransferTask,
    tool: TransferTool,
) -> anyhow::Result<Measurement> {
    match task.source(tool, sources) {
        Some(source) => files::read_through(&source).context("reading the source")?,
        None => context.served.warm_up(image)?,
    }
    let mounted = context.disk.fresh()?;
    let registry = task
        .needs_registry()
        .then(|| DockerRegistry::start(&mounted.path().join("registry"), RegistryAuth::Open))
        .transpose()?;
    let run_spec = TransferRun {
        into: mounted.path(),
        sources,
        image,
        served: context.served.address(),
        registry: registry.as_ref().map(DockerRegistry::address),
        windlass: context.windlass,
    };
    let measurement = tool.run(task, &run_spec)?;
    check(mounted.path(), image, task)?;
    Ok(measurement)
}

/// Checks that the tool has written the image.
fn check(into: &Path, image: &BenchImage, task: TransferTask) -> anyhow::Result<()> {
    let bytes = files::count_bytes(into)?;
    let expected = image.compressed();
    ensure!(
        bytes >= expected,
        "only {bytes} bytes were written, the image has {expected}"
    );
    if task == TransferTask::Load {
        let files = files::count_files(into)?;
        let expected = image.files;
        ensure!(
            files >= expected,
            "only {files} files were made, the image has {expected}"
        );
    }
    Ok(())
}
