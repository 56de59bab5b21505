//! All pulls of one command, and how they are shown.

use std::io::{self, Write};
use std::time::Duration;

use windlass::{Origin, PullEvent, PullPhase, PullView, Pulled, Reference};

use super::frame::{FRAME_TIME, Size, frame};
use super::json::Record;
use super::line::Line;
use super::plain::Plain;
use super::terminal::Terminal;
use super::{Mode, words};
use windlass_report::ErrorReport;

use crate::error::render;
use crate::output;

/// Shows pulls while they run.
///
/// Only what stands in for the result, the JSON, can fail to be written; everything else is decoration.
pub(crate) struct Board<'a> {
    pulls: Vec<Pull>,
    drawing: Drawing,
    /// Standard output for JSON, else standard error.
    out: &'a mut dyn Write,
    /// Asks for the size of the terminal, which people change.
    size: fn() -> Size,
}

#[derive(Debug)]
struct Pull {
    view: PullView,
    reference: String,
    /// The mirrors that may have a part in it.
    mirrors: Vec<Origin>,
    stage: Stage,
    /// What was told last of all layers together: downloaded, unpacked.
    told: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits for its turn.
    Queued,
    Running,
    Pulled,
    Failed,
}

#[derive(Debug)]
enum Drawing {
    Terminal(Terminal),
    Plain(Plain),
    Json,
    Silent,
}

impl<'a> Board<'a> {
    /// Makes a board that draws on `out`: standard output for JSON, else standard error.
    pub(crate) fn new(mode: Mode, out: &'a mut dyn Write) -> Self {
        Self {
            pulls: Vec::new(),
            drawing: match mode {
                Mode::Terminal { color } => Drawing::Terminal(Terminal::new(color)),
                Mode::Plain => Drawing::Plain(Plain::default()),
                Mode::Json => Drawing::Json,
                Mode::Silent => Drawing::Silent,
            },
            out,
            size: terminal_size,
        }
    }

    /// Returns how often [`Self::tick`] wants to be called.
    pub(crate) fn tick_time(&self) -> Duration {
        match self.drawing {
            Drawing::Terminal(_) => FRAME_TIME,
            Drawing::Plain(_) | Drawing::Json | Drawing::Silent => Duration::from_secs(1),
        }
    }

    /// Adds the pull of `reference`, which is to start later and may use `mirrors`. Pulls are numbered from 0
    /// as they are added.
    pub(crate) fn add(&mut self, reference: &Reference, mirrors: Vec<Origin>) {
        self.pulls.push(Pull {
            view: PullView::new(short_name(reference)),
            reference: reference.to_string(),
            mirrors,
            stage: Stage::Queued,
            told: None,
        });
    }

    /// Notes that the pull number `place` starts.
    pub(crate) fn start(&mut self, place: usize, now: Duration) {
        self.pulls[place].stage = Stage::Running;
        if let Drawing::Plain(plain) = &mut self.drawing {
            plain.start(place, now);
        }
    }

    /// Takes in what a pull told.
    pub(crate) fn event(
        &mut self,
        place: usize,
        event: &PullEvent,
        now: Duration,
    ) -> io::Result<()> {
        let pull = &mut self.pulls[place];
        pull.view.apply(event, now);
        match &mut self.drawing {
            Drawing::Plain(plain) => plain.event(self.out, (place, &pull.view), event, now),
            Drawing::Json => {
                output::json::line(self.out, &Record::of_event(&pull.reference, event))?;
                self.out.flush()?;
            }
            // The next tick draws it.
            Drawing::Terminal(_) | Drawing::Silent => {}
        }
        Ok(())
    }

    /// Draws what changed since the last tick.
    pub(crate) fn tick(&mut self, now: Duration) {
        match &mut self.drawing {
            Drawing::Terminal(terminal) => {
                let size = (self.size)();
                terminal.draw(self.out, &picture(&self.pulls, now, size), size);
            }
            Drawing::Plain(plain) => {
                for (place, pull) in self.pulls.iter().enumerate() {
                    if pull.stage == Stage::Running {
                        plain.tick(self.out, (place, &pull.view), now);
                    }
                }
            }
            Drawing::Json => {
                for pull in self.pulls.iter_mut().filter_map(Pull::news) {
                    let record = Record::progress(&pull.reference, &pull.view, now);
                    // What matters is told by the events; if they cannot be written, that is said there.
                    drop(output::json::line(self.out, &record).and_then(|()| self.out.flush()));
                }
            }
            Drawing::Silent => {}
        }
    }

    /// Says that a pull succeeded.
    pub(crate) fn pulled(
        &mut self,
        place: usize,
        pulled: &Pulled,
        now: Duration,
    ) -> io::Result<()> {
        self.pulls[place].stage = Stage::Pulled;
        let pull = &self.pulls[place];
        let line = words::pulled(&pull.view, pulled, &pull.mirrors);
        match &self.drawing {
            Drawing::Json => {
                output::json::line(self.out, &Record::done(&pull.reference, pulled, &pull.view))?;
                self.out.flush()?;
            }
            Drawing::Terminal(terminal) => {
                let text = line.text(terminal.color());
                self.leave(&text, now);
            }
            Drawing::Plain(_) => self.leave(&line.text(false), now),
            Drawing::Silent => {}
        }
        Ok(())
    }

    /// Says that a pull failed, in every mode.
    pub(crate) fn failed(
        &mut self,
        place: usize,
        report: &ErrorReport,
        color: bool,
        now: Duration,
    ) -> io::Result<()> {
        self.pulls[place].stage = Stage::Failed;
        if matches!(self.drawing, Drawing::Json) {
            let reference = Some(self.pulls[place].reference.as_str());
            output::json::line(self.out, &Record::error(reference, report))?;
            return self.out.flush();
        }
        self.leave(&render(report, color), now);
        Ok(())
    }

    /// Says that the pulls that are not over were stopped by a signal, and what that left behind.
    pub(crate) fn stopped(&mut self, now: Duration) -> io::Result<()> {
        let is_unfinished = |pull: &&mut Pull| matches!(pull.stage, Stage::Queued | Stage::Running);
        let pulled = self
            .pulls
            .iter()
            .filter(|pull| pull.stage == Stage::Pulled)
            .count();
        let total = self.pulls.len();
        let unfinished: Vec<&mut Pull> = self.pulls.iter_mut().filter(is_unfinished).collect();
        let views: Vec<&PullView> = unfinished.iter().map(|pull| &pull.view).collect();
        let message = words::stopped(&views, pulled, total);
        let report = ErrorReport::interrupted(message);
        for pull in unfinished {
            pull.stage = Stage::Failed;
            if matches!(self.drawing, Drawing::Json) {
                let record = Record::error(Some(&pull.reference), &report);
                output::json::line(self.out, &record)?;
            }
        }
        if matches!(self.drawing, Drawing::Json) {
            return self.out.flush();
        }
        self.leave(&report.message, now);
        Ok(())
    }

    /// Writes a line that stays, above whatever is drawn.
    fn leave(&mut self, line: &str, now: Duration) {
        if let Drawing::Terminal(terminal) = &mut self.drawing {
            let size = (self.size)();
            terminal.leave(self.out, line, &picture(&self.pulls, now, size), size);
        } else {
            drop(writeln!(self.out, "{line}"));
        }
    }
}

impl Pull {
    /// Returns the pull if it moved since it was last asked.
    fn news(&mut self) -> Option<&Self> {
        let is_moving = self.stage == Stage::Running && self.view.phase() == PullPhase::Moving;
        let now = Some((self.view.downloaded(), self.view.unpacked()));
        let is_news = is_moving && self.told != now;
        self.told = now;
        is_news.then_some(self)
    }
}

/// The frame of all pulls that are not over.
fn picture(pulls: &[Pull], now: Duration, size: Size) -> Vec<Line> {
    let running = pulls.iter().filter(|pull| pull.stage == Stage::Running);
    let views: Vec<&PullView> = running.map(|pull| &pull.view).collect();
    frame(&views, now, size)
}

/// What people call the image: by its tag if it has one, else by the first digits of its digest.
fn short_name(reference: &Reference) -> String {
    match (reference.tag(), reference.digest()) {
        (None, Some(digest)) => {
            let name = reference.repository().familiar();
            format!("{name}@{}:{}", digest.algorithm().name(), digest.short())
        }
        (Some(_), _) | (None, None) => reference.without_digest().familiar(),
    }
}

pub(super) fn terminal_size() -> Size {
    match terminal_size::terminal_size_of(io::stderr()) {
        Some((columns, rows)) => Size {
            columns: usize::from(columns.0),
            rows: usize::from(rows.0),
        },
        None => Size {
            columns: 80,
            rows: 24,
        },
    }
}

#[cfg(test)]
mod tests;
