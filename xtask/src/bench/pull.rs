//! Pull-and-unpack by windlass, its peers and a bare pipe.

use anyhow::bail;

use super::image::BenchImage;
use super::measure::Figures;
use super::report::{Group, Report, Row, Table};
use super::tool::{Errand, Tool};
use super::{Setting, files};

const TITLE: &str = "Pull and unpack";

/// Has every one of `tools` pull every image, by turns.
pub(super) fn measure(setting: &Setting<'_>, tools: &[Tool]) -> Report {
    let table = |image| {
        let rows = tools
            .iter()
            .map(|tool| Row::new(tool.name(), tool.description()));
        Table::new(image, vec![Group::new(None, rows.collect())])
    };
    let programs: Vec<_> = tools.iter().flat_map(|tool| tool.programs()).collect();
    let programs: Vec<_> = programs.into_iter().copied().collect();
    let mut report = Report::new(
        (TITLE, include_str!("pull.md")),
        setting.runs,
        &programs,
        setting.images.iter().map(table).collect(),
    );
    for (image, table) in setting.images.iter().zip(&mut report.tables) {
        for run in 1..=setting.runs {
            for (&tool, row) in tools.iter().zip(&mut table.groups[0].rows) {
                let outcome = one_run(setting, image, tool);
                row.add(&format!("{} run {run}", image.kind.name()), outcome);
            }
        }
    }
    report
}

/// One pull into a fresh file system.
fn one_run(setting: &Setting<'_>, image: &BenchImage, tool: Tool) -> anyhow::Result<Figures> {
    setting.served.warm_up(image)?;
    let mounted = setting.disk.fresh()?;
    let errand = Errand {
        into: mounted.path(),
        image,
        registry: setting.served.address(),
        windlass: setting.windlass,
    };
    let figures = tool.run(&errand)?;
    let files = files::count_files(mounted.path())?;
    if files < image.files {
        bail!(
            "{} left {files} files, the image has {}",
            tool.name(),
            image.files
        );
    }
    Ok(figures)
}
