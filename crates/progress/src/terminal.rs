//! Writes frames to a terminal. Each frame overwrites the previous one.

use std::io::{self, Write};

use crate::styled_line::StyledLine;

/// The size of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TerminalSize {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// Writes frames to a terminal.
///
/// It remembers the widths of the lines of the last frame, so that it finds the first row of the frame even if the
/// terminal was made narrower and wrapped the lines.
#[derive(Debug)]
pub(crate) struct TerminalWriter {
    color: bool,
    /// The widths of the lines of the last frame. The cursor is at the end of the last line.
    drawn: Vec<usize>,
}

impl TerminalWriter {
    /// Creates a writer. There is no frame yet.
    pub(crate) fn new(color: bool) -> Self {
        Self {
            color,
            drawn: Vec::new(),
        }
    }

    /// Replaces the last frame.
    ///
    /// Text is overwritten before the rest of the row is cleared, so that frames do not flicker.
    pub(crate) fn draw(&mut self, out: &mut dyn Write, frame: &[StyledLine], size: TerminalSize) {
        let mut text = self.move_to_top(size);
        self.add_frame(&mut text, frame);
        write_all(out, &text);
    }

    /// Writes lines that stay in place of the last frame, and the frame below them.
    pub(crate) fn write_above(
        &mut self,
        out: &mut dyn Write,
        lines: &str,
        frame: &[StyledLine],
        size: TerminalSize,
    ) {
        let mut text = self.move_to_top(size);
        for line in lines.lines() {
            text.push_str(line);
            text.push_str("\x1b[K\n");
        }
        self.add_frame(&mut text, frame);
        write_all(out, &text);
    }

    /// Returns whether lines are coloured.
    pub(crate) fn color(&self) -> bool {
        self.color
    }

    fn add_frame(&mut self, text: &mut String, frame: &[StyledLine]) {
        for (index, line) in frame.iter().enumerate() {
            if index > 0 {
                text.push_str("\x1b[K\n");
            }
            text.push_str(&line.render(self.color));
        }
        text.push_str("\x1b[J");
        self.drawn = frame.iter().map(StyledLine::width).collect();
    }

    /// Returns the escape sequences that move the cursor to the start of the first line of the last frame.
    fn move_to_top(&self, size: TerminalSize) -> String {
        let columns = size.columns.max(1);
        let rows: usize = self
            .drawn
            .iter()
            .map(|width| width.div_ceil(columns).max(1))
            .sum();
        match rows {
            0 => String::new(),
            1 => "\r".to_owned(),
            _ => format!("\r\x1b[{}A", rows - 1),
        }
    }
}

/// Writes and ignores errors: a pull does not fail because its progress cannot be written.
fn write_all(out: &mut dyn Write, text: &str) {
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Returns the size of the terminal, or 80 columns and 24 rows if standard error is none.
pub(crate) fn terminal_size() -> TerminalSize {
    match terminal_size::terminal_size_of(io::stderr()) {
        Some((columns, rows)) => TerminalSize {
            columns: usize::from(columns.0),
            rows: usize::from(rows.0),
        },
        None => TerminalSize {
            columns: 80,
            rows: 24,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::styled_line::TextStyle;

    fn lines(texts: &[&str]) -> Vec<StyledLine> {
        let line = |text: &&str| {
            let mut line = StyledLine::default();
            line.push(TextStyle::Moving, *text);
            line
        };
        texts.iter().map(line).collect()
    }

    /// Returns what is written, with visible escape characters.
    fn written(work: impl FnOnce(&mut TerminalWriter, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        work(&mut TerminalWriter::new(false), &mut out);
        String::from_utf8(out)
            .unwrap()
            .replace('\x1b', "␛")
            .replace('\r', "␍")
    }

    const WIDE: TerminalSize = TerminalSize {
        columns: 80,
        rows: 24,
    };
    const NARROW: TerminalSize = TerminalSize {
        columns: 10,
        rows: 24,
    };

    #[test]
    fn a_frame_overwrites_the_previous_one_and_an_empty_frame_clears_it() {
        let text = written(|terminal, out| {
            terminal.draw(out, &lines(&["one", "two"]), WIDE);
            terminal.draw(out, &lines(&["three"]), WIDE);
            terminal.write_above(out, "Pulled", &lines(&["four"]), WIDE);
            terminal.draw(out, &[], WIDE);
            terminal.draw(out, &[], WIDE);
        });
        insta::assert_snapshot!(text, @r"
        one␛[K
        two␛[J␍␛[1Athree␛[J␍Pulled␛[K
        four␛[J␍␛[J␛[J
        ");
    }

    /// A line of 25 columns takes three rows of a terminal with 10 columns.
    #[test]
    fn a_narrowed_terminal_is_cleared_to_the_top_of_the_frame() {
        let text = written(|terminal, out| {
            terminal.draw(out, &lines(&["a line of twenty-five col", "b"]), WIDE);
            terminal.draw(out, &lines(&["c"]), NARROW);
        });
        insta::assert_snapshot!(text, @r"
        a line of twenty-five col␛[K
        b␛[J␍␛[3Ac␛[J
        ");
    }
}
