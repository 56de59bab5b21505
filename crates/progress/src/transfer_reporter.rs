//! Progress of operations other than pulls: one line with the number of bytes.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

use windlass::CopyEvent;
use windlass::image::Digest;
use windlass::text::escape;
use windlass::transfer::{BlobStatus, Throughput, percent};

use crate::bar::{FRAME_TIME, bar, spinner};
use crate::human;
use crate::mode::ProgressMode;
use crate::plain_log::HEARTBEAT;
use crate::styled_line::{StyledLine, TextStyle};
use crate::terminal::{TerminalSize, TerminalWriter, terminal_size};

/// The state of the transfer of an image, from its events.
#[derive(Debug, Default)]
struct TransferView {
    name: String,
    sizes: HashMap<Digest, u64>,
    total: u64,
    /// The bytes of an archive that were read before its blobs could be listed.
    received: u64,
    /// The bytes that the target has.
    moved: u64,
    /// The transferred bytes of each blob.
    moving: HashMap<Digest, u64>,
    done: usize,
    throughput: Throughput,
}

/// The width of the progress bar in columns.
const BAR_COLUMNS: usize = 18;

/// The tick interval of forms that report nothing on a tick.
const IDLE_INTERVAL: Duration = Duration::from_secs(3600);

/// Reports the progress of one operation.
pub struct TransferReporter<'a> {
    view: TransferView,
    renderer: Renderer,
    out: &'a mut dyn Write,
    start: Instant,
}

#[derive(Debug)]
enum Renderer {
    Terminal(TerminalWriter),
    Plain,
    Silent,
}

impl fmt::Debug for TransferReporter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferReporter")
            .field("view", &self.view)
            .field("renderer", &self.renderer)
            .finish_non_exhaustive()
    }
}

impl<'a> TransferReporter<'a> {
    /// Starts the progress of an operation, whose name is a phrase such as `Saving alpine`. Transfers have no records in
    /// JSON.
    pub fn new(mode: ProgressMode, name: &str, out: &'a mut dyn Write) -> Self {
        Self {
            view: TransferView {
                name: escape(name).into_owned(),
                ..TransferView::default()
            },
            renderer: match mode {
                ProgressMode::Terminal { color } => Renderer::Terminal(TerminalWriter::new(color)),
                ProgressMode::Plain => Renderer::Plain,
                ProgressMode::Json | ProgressMode::Silent => Renderer::Silent,
            },
            out,
            start: Instant::now(),
        }
    }

    /// Returns the interval at which the caller calls [`tick`](Self::tick).
    pub fn tick_time(&self) -> Duration {
        match self.renderer {
            Renderer::Terminal(_) => FRAME_TIME,
            Renderer::Plain => HEARTBEAT,
            Renderer::Silent => IDLE_INTERVAL,
        }
    }

    /// Applies an event.
    pub fn event(&mut self, event: CopyEvent) {
        self.view.apply(event, self.start.elapsed());
    }

    /// Draws a frame or writes a heartbeat.
    pub fn tick(&mut self) {
        let now = self.start.elapsed();
        match &mut self.renderer {
            Renderer::Terminal(terminal) => {
                let size = terminal_size();
                terminal.draw(self.out, &[self.view.line(now, size)], size);
            }
            // A transfer does not fail because its progress cannot be written.
            Renderer::Plain => drop(writeln!(self.out, "{}", self.view.heartbeat(now))),
            Renderer::Silent => {}
        }
    }

    /// Clears the frame.
    pub fn end(&mut self) {
        match &mut self.renderer {
            Renderer::Terminal(terminal) => terminal.draw(self.out, &[], terminal_size()),
            Renderer::Plain | Renderer::Silent => {}
        }
    }
}

impl TransferView {
    fn apply(&mut self, event: CopyEvent, now: Duration) {
        match event {
            CopyEvent::Planned(blobs) => {
                if std::mem::take(&mut self.received) > 0 {
                    self.throughput = Throughput::default();
                }
                self.sizes.extend(blobs);
                self.total = self.sizes.values().sum();
            }
            CopyEvent::Received(bytes) => {
                self.received += bytes;
                self.throughput.record(now, self.received);
            }
            CopyEvent::Moved { digest, bytes } => {
                *self.moving.entry(digest).or_default() += bytes;
                self.moved += bytes;
                self.throughput.record(now, self.moved);
            }
            CopyEvent::Blob { digest, status } => match status {
                BlobStatus::Preparing | BlobStatus::Waiting | BlobStatus::Transferring => {}
                BlobStatus::Retrying { position, .. } => self.set_blob_bytes(digest, position),
                BlobStatus::Exists | BlobStatus::Mounted { .. } | BlobStatus::Transferred => {
                    self.done += 1;
                    let size = self.sizes.get(&digest).copied().unwrap_or_default();
                    self.set_blob_bytes(digest, size);
                }
            },
        }
    }

    fn set_blob_bytes(&mut self, digest: Digest, bytes: u64) {
        let before = self.moving.insert(digest, bytes).unwrap_or_default();
        self.moved = (self.moved + bytes).saturating_sub(before);
    }

    fn line(&self, now: Duration, size: TerminalSize) -> StyledLine {
        let mut line = StyledLine::default();
        line.push(TextStyle::Moving, spinner(now));
        line.push(TextStyle::Strong, format!(" {}", self.name));
        if self.total > 0 {
            let done = percent(self.moved, self.total);
            line.push(
                TextStyle::Plain,
                format!("  {}/{}", self.done, self.sizes.len()),
            );
            line.push(TextStyle::Plain, format!("  {done}%  "));
            line.append(bar(self.moved, self.total, BAR_COLUMNS));
            let amount = human::amount_of(self.moved, self.total);
            line.push(TextStyle::Plain, format!("  {amount}{}", self.rate(now)));
        } else if self.received > 0 {
            let amount = human::amount(self.received);
            line.push(TextStyle::Plain, format!("  {amount}{}", self.rate(now)));
        }
        line.truncate(size.columns.saturating_sub(1));
        line
    }

    fn heartbeat(&self, now: Duration) -> String {
        if self.received > 0 {
            let amount = human::amount(self.received);
            return format!("{}: {amount} read{}", self.name, self.rate(now));
        }
        let done = percent(self.moved, self.total);
        let amount = human::amount_of(self.moved, self.total);
        format!("{}: {done}%, {amount}{}", self.name, self.rate(now))
    }

    fn rate(&self, now: Duration) -> String {
        let rate = self.throughput.per_second(now);
        rate.map_or(String::new(), |rate| {
            format!("  {}/s", human::about_rate(rate))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: TerminalSize = TerminalSize {
        columns: 80,
        rows: 24,
    };

    #[test]
    fn every_byte_counts_once() {
        let [a, b] = [Digest::sha256(b"a"), Digest::sha256(b"b")];
        let mut view = TransferView {
            name: "Saving app".to_owned(),
            ..TransferView::default()
        };
        let at = Duration::from_secs;
        let line = |view: &TransferView| view.line(at(1), SIZE).render(false);
        assert_eq!(&line(&view)[3..], " Saving app");
        let blob = |digest, status| CopyEvent::Blob { digest, status };
        view.apply(CopyEvent::Planned(vec![(a, 1000), (b, 3000)]), at(0));
        view.apply(blob(a, BlobStatus::Exists), at(0));
        view.apply(
            CopyEvent::Moved {
                digest: b,
                bytes: 2000,
            },
            at(0),
        );
        let error = String::new();
        view.apply(
            blob(
                b,
                BlobStatus::Retrying {
                    position: 1000,
                    error,
                },
            ),
            at(0),
        );
        assert_eq!((view.moved, view.done), (2000, 1));
        assert_eq!(
            &line(&view)[3..],
            " Saving app  1/2  50%  ━━━━━━━━━─────────  2.0/4.0 kB  0 B/s"
        );
        view.apply(blob(b, BlobStatus::Transferred), at(1));
        assert_eq!((view.moved, view.done), (4000, 2));
    }
}
