//! In and out: images saved, loaded, copied and pushed, by windlass and by those who do the same.

mod carrier;
mod source;
mod task;

use std::path::Path;

use anyhow::{Context, ensure};
use windlass_testing::real::{DockerRegistry, RegistryAuth};

pub(super) use self::carrier::Carrier;
use self::carrier::Errand;
use self::source::Sources;
pub(super) use self::task::Task;
use super::image::BenchImage;
use super::measure::Figures;
use super::report::{Group, Report, Row, Table, progress};
use super::{Setting, files};

const TITLE: &str = "In and out";

/// Has those of `carriers` who can do each of `tasks` do it with every image, by turns.
pub(super) fn measure(
    setting: &Setting<'_>,
    tasks: &[Task],
    carriers: &[Carrier],
) -> anyhow::Result<Report> {
    let ways = |task: Task| {
        let able = carriers.iter().copied();
        able.filter(move |carrier| carrier.description(task).is_some())
    };
    let group = |&task: &Task| {
        let rows = ways(task).map(|carrier| {
            let description = carrier.description(task).unwrap_or_default();
            Row::new(carrier.name(), description)
        });
        Group::new(Some(task.description()), rows.collect())
    };
    let table = |image| Table::new(image, tasks.iter().map(group).collect());
    let programs: Vec<_> = carriers.iter().flat_map(|one| one.programs()).collect();
    let programs: Vec<_> = programs.into_iter().copied().collect();
    let mut report = Report::new(
        (TITLE, include_str!("preamble.md")),
        setting.runs,
        &programs,
        setting.images.iter().map(table).collect(),
    );
    for (image, table) in setting.images.iter().zip(&mut report.tables) {
        let name = image.kind.name();
        progress(&format!("{name}: making what is carried"));
        let sources = Sources::make(setting, image, tasks, carriers)?;
        for run in 1..=setting.runs {
            for (&task, group) in tasks.iter().zip(&mut table.groups) {
                for (carrier, row) in ways(task).zip(&mut group.rows) {
                    let outcome = one_run(setting, (image, &sources), task, carrier);
                    let what = format!("{name} run {run}: {}", task.description());
                    row.add(&what, outcome);
                }
            }
        }
    }
    Ok(report)
}

/// One errand, to an empty file system or to an empty registry there.
fn one_run(
    setting: &Setting<'_>,
    (image, sources): (&BenchImage, &Sources),
    task: Task,
    carrier: Carrier,
) -> anyhow::Result<Figures> {
    match task.source(carrier, sources) {
        Some(source) => files::read_through(&source).context("reading what is carried")?,
        None => setting.served.warm_up(image)?,
    }
    let mounted = setting.disk.fresh()?;
    let registry = task
        .needs_registry()
        .then(|| DockerRegistry::start(&mounted.path().join("registry"), RegistryAuth::Open))
        .transpose()?;
    let errand = Errand {
        into: mounted.path(),
        sources,
        image,
        served: setting.served.address(),
        registry: registry.as_ref().map(DockerRegistry::address),
        windlass: setting.windlass,
    };
    let figures = carrier.run(task, &errand)?;
    check(mounted.path(), image, task)?;
    Ok(figures)
}

/// What a tool says it did should be there.
fn check(into: &Path, image: &BenchImage, task: Task) -> anyhow::Result<()> {
    let bytes = files::count_bytes(into)?;
    let expected = image.compressed();
    ensure!(
        bytes >= expected,
        "only {bytes} bytes were written, the image has {expected}"
    );
    if task == Task::Load {
        let files = files::count_files(into)?;
        let expected = image.files;
        ensure!(
            files >= expected,
            "only {files} files were made, the image has {expected}"
        );
    }
    Ok(())
}
