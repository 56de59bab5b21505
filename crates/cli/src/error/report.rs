//! An error as it is told.

use std::borrow::Cow;

use clap::builder::styling::{AnsiColor, Style};
use serde::{Deserialize, Serialize};

/// An error as people and programs are told it. All texts are one line each, and harmless to terminals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// For programs; one of a fixed set.
    pub(crate) code: Cow<'static, str>,
    /// What went wrong, where and why.
    pub(crate) message: String,
    /// What the other endpoints said that were asked, such as mirrors.
    pub(crate) tried: Vec<String>,
    /// What to do about it, if that is known.
    pub(crate) hint: Option<String>,
}

impl Report {
    /// Returns the report of pulls that a signal stopped.
    pub(crate) fn stopped(message: String) -> Self {
        Self {
            code: "interrupted".into(),
            message,
            tried: Vec::new(),
            hint: None,
        }
    }

    /// Returns the lines that people read, without an end of line.
    pub(crate) fn text(&self, color: bool) -> String {
        let label = |style: Style, text: &str| {
            if color {
                format!("{style}{text}{style:#}")
            } else {
                text.to_owned()
            }
        };
        let error = label(AnsiColor::Red.on_default().bold(), "error:");
        let mut lines = vec![format!("{error} {}", self.message)];
        let tried = label(AnsiColor::Yellow.on_default().bold(), "tried:");
        lines.extend(self.tried.iter().map(|other| format!("{tried} {other}")));
        let hint = label(AnsiColor::Cyan.on_default().bold(), "hint:");
        lines.extend(self.hint.iter().map(|text| format!("{hint} {text}")));
        lines.join("\n")
    }
}
