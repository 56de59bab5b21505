//! Error reports as text.

use anstyle::{AnsiColor, Style};
use windlass_error_report::ErrorReport;

/// Returns the lines of `report` for a terminal, without a final line break.
pub fn error_text(report: &ErrorReport, color: bool) -> String {
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
#[cfg(test)]
mod tests {
    use windlass_error_report::ErrorCode;

    use super::*;

    #[test]
    fn a_report_is_a_line_and_a_hint() {
        let report = ErrorReport {
            code: ErrorCode::Network,
            message: "pulling alpine:3: out of order".to_owned(),
            tried: vec!["alpine:3 at mirror.test: no such host".to_owned()],
            hint: Some("try later".to_owned()),
        };
        assert_eq!(
            error_text(&report, false),
            "error: pulling alpine:3: out of order\ntried: alpine:3 at mirror.test: no such host\nhint: try later"
        );
        assert_eq!(
            error_text(&report, true),
            "\x1b[1m\x1b[31merror:\x1b[0m pulling alpine:3: out of order\n\
             \x1b[1m\x1b[33mtried:\x1b[0m alpine:3 at mirror.test: no such host\n\x1b[1m\x1b[36mhint:\x1b[0m try later"
        );
    }
}
