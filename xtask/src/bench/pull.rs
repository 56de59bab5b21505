//! Pull and unpack with windlass, other tools and a simple pipe.

use anyhow::bail;

use super::image::BenchImage;
use super::measure::Measurement;
use super::pull_tool::{PullRun, PullTool};
use super::report::{BenchReport, ReportRow, ReportTable, RowGroup};
use super::{BenchContext, files};

const TITLE: &str = "Pull and unpack";

/// Pulls every image with every tool, in turns.
pub(super) fn measure(context: &BenchContext<'_>, tools: &[PullTool]) -> BenchReport {
    let table = |image| {
        let rows = tools
            .iter()
            .map(|tool| ReportRow::new(tool.name(), tool.description()));
        ReportTable::new(image, vec![RowGroup::new(None, rows.collect())])
    };
    let programs: Vec<_> = tools.iter().flat_map(|tool| tool.programs()).collect();
    let programs: Vec<_> = programs.into_iter().copied().collect();
    let mut report = BenchReport::new(
        TITLE,
        include_str!("pull.md"),
        context.runs,
        &programs,
        context.images.iter().map(table).collect(),
    );
    for (image, table) in context.images.iter().zip(&mut report.tables) {
        for run in 1..=context.runs {
            for (&tool, row) in tools.iter().zip(&mut table.groups[0].rows) {
                let outcome = one_run(context, image, tool);
                row.add(&format!("{} run {run}", image.kind.name()), outcome);
            }
        }
    }
    report
}

/// Measures one pull into a fresh file system.
fn one_run(
    context: &BenchContext<'_>,
    image: &BenchImage,
    tool: PullTool,
) -> anyhow::Result<Measurement> {
    context.served.warm_up(image)?;
    let mounted = context.disk.fresh()?;
    let run_spec = PullRun {
        into: mounted.path(),
        image,
        registry: context.served.address(),
        windlass: context.windlass,
    };
    let measurement = tool.run(&run_spec)?;
    let files = files::count_files(mounted.path())?;
    if files < image.files {
        bail!(
            "{} left {files} files, the image has {}",
            tool.name(),
            image.files
        );
    }
    Ok(measurement)
}
