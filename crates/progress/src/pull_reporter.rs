//! Reports the progress of all pulls of a command.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use windlass::image::Reference;
use windlass::registry::Origin;
use windlass::transfer::{PullPhase, PullView};
use windlass::{PullEvent, Pulled};
use windlass_error_report::ErrorReport;

use crate::bar::FRAME_TIME;
use crate::error_text::error_text;
use crate::frame::frame;
use crate::messages;
use crate::mode::ProgressMode;
use crate::plain_log::PlainLog;
use crate::record::ProgressRecord;
use crate::styled_line::StyledLine;
use crate::terminal::{TerminalSize, TerminalWriter, terminal_size};

/// Reports the progress of pulls while they run.
///
/// Only errors of writing JSON are returned, because JSON is the result of the command. Other errors are ignored.
pub struct PullReporter<'a> {
    pulls: Vec<TrackedPull>,
    renderer: Renderer,
    /// Standard output for JSON, and standard error for the other forms.
    out: &'a mut dyn Write,
    /// Returns the current size of the terminal, which may change at any time.
    size: fn() -> TerminalSize,
}

#[derive(Debug)]
struct TrackedPull {
    view: PullView,
    reference: String,
    /// The mirrors that the pull may use.
    mirrors: Vec<Origin>,
    stage: PullStage,
    /// The downloaded and unpacked bytes of all layers in the last progress record.
    reported: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PullStage {
    /// The pull has not started.
    Queued,
    Running,
    Pulled,
    Failed,
}

#[derive(Debug)]
enum Renderer {
    Terminal(TerminalWriter),
    Plain(PlainLog),
    Json,
    Silent,
}

impl fmt::Debug for PullReporter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullReporter")
            .field("pulls", &self.pulls)
            .field("renderer", &self.renderer)
            .finish_non_exhaustive()
    }
}

impl<'a> PullReporter<'a> {
    /// Creates a reporter that writes to `out`: standard output for JSON, standard error for the other forms.
    pub fn new(mode: ProgressMode, out: &'a mut dyn Write) -> Self {
        Self {
            pulls: Vec::new(),
            renderer: match mode {
                ProgressMode::Terminal { color } => Renderer::Terminal(TerminalWriter::new(color)),
                ProgressMode::Plain => Renderer::Plain(PlainLog::default()),
                ProgressMode::Json => Renderer::Json,
                ProgressMode::Silent => Renderer::Silent,
            },
            out,
            size: terminal_size,
        }
    }

    /// Returns the interval at which the caller calls [`Self::tick`].
    pub fn tick_time(&self) -> Duration {
        match self.renderer {
            Renderer::Terminal(_) => FRAME_TIME,
            Renderer::Plain(_) | Renderer::Json | Renderer::Silent => Duration::from_secs(1),
        }
    }

    /// Adds a pull, which starts later and may use these mirrors. Its index is the number of pulls that were added
    /// before.
    pub fn add(&mut self, reference: &Reference, mirrors: Vec<Origin>) {
        self.pulls.push(TrackedPull {
            view: PullView::new(short_name(reference)),
            reference: reference.to_string(),
            mirrors,
            stage: PullStage::Queued,
            reported: None,
        });
    }

    /// Reports the start of a pull.
    pub fn start(&mut self, index: usize, now: Duration) {
        self.pulls[index].stage = PullStage::Running;
        if let Renderer::Plain(plain) = &mut self.renderer {
            plain.start(index, now);
        }
    }

    /// Reports an event of a pull.
    pub fn event(&mut self, index: usize, event: &PullEvent, now: Duration) -> io::Result<()> {
        let pull = &mut self.pulls[index];
        pull.view.apply(event, now);
        match &mut self.renderer {
            Renderer::Plain(plain) => plain.event(self.out, index, &pull.view, event, now),
            Renderer::Json => {
                ProgressRecord::from_event(&pull.reference, event).write(self.out)?;
                self.out.flush()?;
            }
            // The next tick draws a frame that includes the event.
            Renderer::Terminal(_) | Renderer::Silent => {}
        }
        Ok(())
    }

    /// Reports what changed since the last tick.
    pub fn tick(&mut self, now: Duration) {
        match &mut self.renderer {
            Renderer::Terminal(terminal) => {
                let size = (self.size)();
                terminal.draw(self.out, &current_frame(&self.pulls, now, size), size);
            }
            Renderer::Plain(plain) => {
                for (index, pull) in self.pulls.iter().enumerate() {
                    if pull.stage == PullStage::Running {
                        plain.tick(self.out, index, &pull.view, now);
                    }
                }
            }
            Renderer::Json => {
                for pull in self.pulls.iter_mut().filter_map(TrackedPull::take_update) {
                    let record = ProgressRecord::progress(&pull.reference, &pull.view, now);
                    // Progress records are optional. An error that persists is returned for the next event.
                    drop(record.write(self.out).and_then(|()| self.out.flush()));
                }
            }
            Renderer::Silent => {}
        }
    }

    /// Reports the success of a pull.
    pub fn pulled(&mut self, index: usize, pulled: &Pulled, now: Duration) -> io::Result<()> {
        self.pulls[index].stage = PullStage::Pulled;
        let pull = &self.pulls[index];
        let line = messages::pulled(&pull.view, pulled, &pull.mirrors);
        match &self.renderer {
            Renderer::Json => {
                ProgressRecord::done(&pull.reference, pulled, &pull.view).write(self.out)?;
                self.out.flush()?;
            }
            Renderer::Terminal(terminal) => {
                let text = line.render(terminal.color());
                self.write_permanently(&text, now);
            }
            Renderer::Plain(_) => self.write_permanently(&line.render(false), now),
            Renderer::Silent => {}
        }
        Ok(())
    }

    /// Reports the failure of a pull, in every form.
    pub fn failed(
        &mut self,
        index: usize,
        report: &ErrorReport,
        color: bool,
        now: Duration,
    ) -> io::Result<()> {
        self.pulls[index].stage = PullStage::Failed;
        if matches!(self.renderer, Renderer::Json) {
            let reference = Some(self.pulls[index].reference.as_str());
            ProgressRecord::error(reference, report).write(self.out)?;
            return self.out.flush();
        }
        self.write_permanently(&error_text(report, color), now);
        Ok(())
    }

    /// Reports that a signal stopped the unfinished pulls, and which data remains for the next pull.
    pub fn stopped(&mut self, now: Duration) -> io::Result<()> {
        let is_unfinished =
            |pull: &&mut TrackedPull| matches!(pull.stage, PullStage::Queued | PullStage::Running);
        let pulled = self
            .pulls
            .iter()
            .filter(|pull| pull.stage == PullStage::Pulled)
            .count();
        let total = self.pulls.len();
        let unfinished: Vec<&mut TrackedPull> =
            self.pulls.iter_mut().filter(is_unfinished).collect();
        let views: Vec<&PullView> = unfinished.iter().map(|pull| &pull.view).collect();
        let message = messages::stopped(&views, pulled, total);
        let report = ErrorReport::interrupted(message);
        for pull in unfinished {
            pull.stage = PullStage::Failed;
            if matches!(self.renderer, Renderer::Json) {
                ProgressRecord::error(Some(&pull.reference), &report).write(self.out)?;
            }
        }
        if matches!(self.renderer, Renderer::Json) {
            return self.out.flush();
        }
        self.write_permanently(&report.message, now);
        Ok(())
    }

    /// Writes a line that stays, above the current frame.
    fn write_permanently(&mut self, line: &str, now: Duration) {
        if let Renderer::Terminal(terminal) = &mut self.renderer {
            let size = (self.size)();
            terminal.write_above(self.out, line, &current_frame(&self.pulls, now, size), size);
        } else {
            drop(writeln!(self.out, "{line}"));
        }
    }
}

impl TrackedPull {
    /// Returns the pull if its counts changed since the previous call, and remembers the current counts.
    fn take_update(&mut self) -> Option<&Self> {
        let is_moving = self.stage == PullStage::Running && self.view.phase() == PullPhase::Moving;
        let now = Some((self.view.downloaded(), self.view.unpacked()));
        let has_changed = is_moving && self.reported != now;
        self.reported = now;
        has_changed.then_some(self)
    }
}

/// Returns the frame of all running pulls.
fn current_frame(pulls: &[TrackedPull], now: Duration, size: TerminalSize) -> Vec<StyledLine> {
    let running = pulls.iter().filter(|pull| pull.stage == PullStage::Running);
    let views: Vec<&PullView> = running.map(|pull| &pull.view).collect();
    frame(&views, now, size)
}

/// Returns the short name of an image: its name with the tag if there is one, or else with the start of the digest.
fn short_name(reference: &Reference) -> String {
    match (reference.tag(), reference.digest()) {
        (None, Some(digest)) => {
            let name = reference.repository().familiar();
            format!("{name}@{}:{}", digest.algorithm().name(), digest.short())
        }
        (Some(_), _) | (None, None) => reference.without_digest().familiar(),
    }
}

#[cfg(test)]
mod tests;
