//! Draws frames on a terminal, each over the one before.

use std::io::Write;

use super::frame::Size;
use super::line::Line;

/// The painter. It remembers how wide its lines were, so that it finds its way up even after the
/// terminal was made narrower and wrapped them.
#[derive(Debug)]
pub(super) struct Terminal {
    color: bool,
    /// The widths of the lines that stand on the screen now, the cursor behind the last.
    drawn: Vec<usize>,
}

impl Terminal {
    /// Makes a painter for an empty place on the screen.
    pub(super) fn new(color: bool) -> Self {
        Self {
            color,
            drawn: Vec::new(),
        }
    }

    /// Replaces what was drawn before by `frame`.
    ///
    /// Nothing is cleared before it is overwritten, so nothing flickers.
    pub(super) fn draw(&mut self, out: &mut dyn Write, frame: &[Line], size: Size) {
        let mut text = self.way_up(size);
        self.add_frame(&mut text, frame);
        write_all(out, &text);
    }

    /// Puts `lines` where the frame was, to stay, and `frame` below them.
    pub(super) fn leave(&mut self, out: &mut dyn Write, lines: &str, frame: &[Line], size: Size) {
        let mut text = self.way_up(size);
        for line in lines.lines() {
            text.push_str(line);
            text.push_str("\x1b[K\n");
        }
        self.add_frame(&mut text, frame);
        write_all(out, &text);
    }

    /// Returns whether lines are drawn in colour.
    pub(super) fn color(&self) -> bool {
        self.color
    }

    fn add_frame(&mut self, text: &mut String, frame: &[Line]) {
        for (place, line) in frame.iter().enumerate() {
            if place > 0 {
                text.push_str("\x1b[K\n");
            }
            text.push_str(&line.text(self.color));
        }
        text.push_str("\x1b[J");
        self.drawn = frame.iter().map(Line::width).collect();
    }

    /// The escapes from behind the last line to the start of the first.
    fn way_up(&self, size: Size) -> String {
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

/// A picture that cannot be drawn is no reason to fail a pull.
fn write_all(out: &mut dyn Write, text: &str) {
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

#[cfg(test)]
mod tests {
    use super::super::line::Look;
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        let line = |text: &&str| {
            let mut line = Line::default();
            line.push(Look::Moving, *text);
            line
        };
        texts.iter().map(line).collect()
    }

    /// What `work` writes, its escapes spelled out.
    fn written(work: impl FnOnce(&mut Terminal, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        work(&mut Terminal::new(false), &mut out);
        String::from_utf8(out)
            .unwrap()
            .replace('\x1b', "␛")
            .replace('\r', "␍")
    }

    const WIDE: Size = Size {
        columns: 80,
        rows: 24,
    };
    const NARROW: Size = Size {
        columns: 10,
        rows: 24,
    };

    #[test]
    fn each_frame_covers_the_one_before_and_the_last_leaves_nothing() {
        let text = written(|terminal, out| {
            terminal.draw(out, &lines(&["one", "two"]), WIDE);
            terminal.draw(out, &lines(&["three"]), WIDE);
            terminal.leave(out, "Pulled", &lines(&["four"]), WIDE);
            terminal.draw(out, &[], WIDE);
            terminal.draw(out, &[], WIDE);
        });
        insta::assert_snapshot!(text, @r"
        one␛[K
        two␛[J␍␛[1Athree␛[J␍Pulled␛[K
        four␛[J␍␛[J␛[J
        ");
    }

    /// Twenty-five columns on a screen of ten are three rows.
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
