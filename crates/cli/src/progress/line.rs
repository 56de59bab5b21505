//! A line of a frame: styled pieces whose width is known before they are drawn.

use clap::builder::styling::{AnsiColor, Style};

/// How a piece of a line looks where colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// As it is.
    Plain,
    /// What the line is about.
    Strong,
    /// What moves.
    Moving,
    /// What went well.
    Good,
    /// What deserves a glance.
    Warning,
    /// What may be overlooked.
    Faint,
}

/// A line in the making. Its text holds no control characters: callers escape what comes from elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Vec<(Look, String)>);

impl Line {
    /// Adds `text` at the end.
    pub(super) fn push(&mut self, look: Look, text: impl Into<String>) {
        self.0.push((look, text.into()));
    }

    /// Adds all of `other` at the end.
    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns how many columns the line takes.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// Cuts the line down to `width` columns; a cut shows as `…`.
    pub(super) fn fit(&mut self, width: usize) {
        if self.width() <= width {
            return;
        }
        let mut rest = width.saturating_sub(1);
        for (_, text) in &mut self.0 {
            let kept: String = text.chars().take(rest).collect();
            rest -= kept.chars().count();
            *text = kept;
        }
        self.push(Look::Plain, if width == 0 { "" } else { "…" });
    }

    /// Returns the text to draw, with escapes for the looks if `color` is wanted.
    pub(super) fn text(&self, color: bool) -> String {
        let piece = |(look, text): &(Look, String)| {
            if color && *look != Look::Plain && !text.is_empty() {
                let style = look.style();
                format!("{style}{text}{style:#}")
            } else {
                text.clone()
            }
        };
        self.0.iter().map(piece).collect::<Vec<_>>().concat()
    }
}

impl Look {
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

    fn line() -> Line {
        let mut line = Line::default();
        line.push(Look::Strong, "alpine");
        line.push(Look::Plain, "  ");
        line.push(Look::Moving, "━━╸");
        line
    }

    #[test]
    fn a_line_knows_its_columns_and_fits_any_width() {
        let mut cut = line();
        assert_eq!(cut.width(), 11);
        cut.fit(11);
        assert_eq!(cut.text(false), "alpine  ━━╸");
        cut.fit(10);
        assert_eq!(cut.text(false), "alpine  ━…");
        cut.fit(1);
        assert_eq!(cut.text(false), "…");
        cut.fit(0);
        assert_eq!(cut.text(false), "");
    }

    #[test]
    fn looks_are_escapes_only_where_colours_are_wanted() {
        assert_eq!(
            line().text(true),
            "\x1b[1malpine\x1b[0m  \x1b[36m━━╸\x1b[0m"
        );
    }
}
