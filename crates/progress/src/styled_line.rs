//! A line of styled text whose width in columns can be computed.

use anstyle::{AnsiColor, Style};

/// The style of a piece of text, if output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextStyle {
    /// Without style.
    Plain,
    /// The subject of the line.
    Strong,
    /// A part that changes with progress.
    Moving,
    /// Success.
    Good,
    /// A delay or a limitation.
    Warning,
    /// Less important text.
    Faint,
}

/// A line of styled pieces. Its text must not contain control characters: callers escape untrusted text.
#[derive(Clone, Debug, Default)]
pub(crate) struct StyledLine(Vec<(TextStyle, String)>);

impl StyledLine {
    /// Appends text.
    pub(crate) fn push(&mut self, look: TextStyle, text: impl Into<String>) {
        self.0.push((look, text.into()));
    }

    /// Appends another line.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns the width in columns.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// Truncates the line to a width in columns. A truncated line ends with `…`.
    pub(crate) fn truncate(&mut self, width: usize) {
        if self.width() <= width {
            return;
        }
        let mut rest = width.saturating_sub(1);
        for (_, text) in &mut self.0 {
            let kept: String = text.chars().take(rest).collect();
            rest -= kept.chars().count();
            *text = kept;
        }
        self.push(TextStyle::Plain, if width == 0 { "" } else { "…" });
    }

    /// Returns the text, with escape sequences for the styles if `color` is true.
    pub(crate) fn render(&self, color: bool) -> String {
        let piece = |(look, text): &(TextStyle, String)| {
            if color && *look != TextStyle::Plain && !text.is_empty() {
                let style = look.style();
                format!("{style}{text}{style:#}")
            } else {
                text.clone()
            }
        };
        self.0.iter().map(piece).collect::<Vec<_>>().concat()
    }
}

impl TextStyle {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Moving => AnsiColor::Cyan.on_default(),
            Self::Good => AnsiColor::Green.on_default().bold(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Faint => Style::new().dimmed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> StyledLine {
        let mut line = StyledLine::default();
        line.push(TextStyle::Strong, "alpine");
        line.push(TextStyle::Plain, "  ");
        line.push(TextStyle::Moving, "━━╸");
        line
    }

    #[test]
    fn lines_are_measured_and_truncated() {
        let mut cut = line();
        assert_eq!(cut.width(), 11);
        cut.truncate(11);
        assert_eq!(cut.render(false), "alpine  ━━╸");
        cut.truncate(10);
        assert_eq!(cut.render(false), "alpine  ━…");
        cut.truncate(1);
        assert_eq!(cut.render(false), "…");
        cut.truncate(0);
        assert_eq!(cut.render(false), "");
    }

    #[test]
    fn styles_become_escape_sequences_if_output_is_coloured() {
        assert_eq!(
            line().render(true),
            "\x1b[1malpine\x1b[0m  \x1b[36m━━╸\x1b[0m"
        );
    }
}
