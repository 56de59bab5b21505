//! Error reports as text.

use clap::builder::styling::{AnsiColor, Style};
use windlass_error_report::ErrorReport;

/// Returns the lines of `report` for a terminal, without a final line break.
pub(crate) fn render(report: &ErrorReport, color: bool) -> String {
    let label = |style: Style, text: &str| match color {
        true => format!("{style}{text}{style:#}"),
        false => text.to_owned(),
    };
    let error = label(AnsiColor::Red.on_default().bold(), "error:");
    let mut lines = vec![format!("{error} {}", report.message)];
    let tried = label(AnsiColor::Yellow.on_default().bold(), "tried:");
    lines.extend(report.tried.iter().map(|other| format!("{tried} {other}")));
    let hint = label(AnsiColor::Cyan.on_default().bold(), "hint:");
    lines.extend(report.hint.iter().map(|text| format!("{hint} {text}")));
    lines.join("\n")
}
