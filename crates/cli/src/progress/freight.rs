//! How images are carried between files, registries and the store: one line that counts bytes.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use windlass::{BlobStatus, CopyEvent, Digest, Throughput, percent};

use super::Mode;
use super::board::terminal_size;
use super::frame::{FRAME_TIME, SPINNER, Size, bar};
use super::line::{Line, Look};
use super::plain::HEARTBEAT;
use super::terminal::Terminal;
use crate::context::note;
use crate::output::human;
use windlass::text::escape;

/// What is being carried.
#[derive(Debug, Default)]
struct Freight {
    name: String,
    sizes: HashMap<Digest, u64>,
    total: u64,
    /// Bytes that came of an archive which has to be here as a whole first.
    received: u64,
    /// Bytes that are where they should be.
    moved: u64,
    /// Bytes of each blob that is on its way.
    moving: HashMap<Digest, u64>,
    done: usize,
    speed: Throughput,
}

const BAR: usize = 18;

/// Shows how one operation goes.
pub(crate) struct TransferProgress {
    freight: Freight,
    mode: Mode,
    terminal: Option<Terminal>,
    start: Instant,
}

/// How often nothing is shown, which is as good as never.
const SELDOM: Duration = Duration::from_secs(3600);

impl TransferProgress {
    /// Begins to show; `name` is what is done, such as `Saving alpine`.
    pub(crate) fn new(mode: Mode, name: &str) -> Self {
        let terminal = match mode {
            Mode::Terminal { color } => Some(Terminal::new(color)),
            Mode::Plain | Mode::Json | Mode::Silent => None,
        };
        Self {
            freight: Freight {
                name: escape(name).into_owned(),
                ..Freight::default()
            },
            mode,
            terminal,
            start: Instant::now(),
        }
    }

    /// Returns how often [`tick`](Self::tick) is to be called.
    pub(crate) fn period(&self) -> Duration {
        match self.mode {
            Mode::Terminal { .. } => FRAME_TIME,
            Mode::Plain => HEARTBEAT,
            Mode::Json | Mode::Silent => SELDOM,
        }
    }

    /// Counts what happened.
    pub(crate) fn event(&mut self, event: CopyEvent) {
        self.freight.take(event, self.start.elapsed());
    }

    /// Shows where the operation stands.
    pub(crate) fn tick(&mut self) {
        let now = self.start.elapsed();
        if let Some(terminal) = &mut self.terminal {
            let size = terminal_size();
            terminal.draw(&mut io::stderr(), &[self.freight.line(now, size)], size);
        } else if self.mode == Mode::Plain {
            note(&self.freight.heartbeat(now));
        }
    }

    /// Clears the terminal.
    pub(crate) fn end(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.draw(&mut io::stderr(), &[], terminal_size());
        }
    }
}

impl Freight {
    fn take(&mut self, event: CopyEvent, now: Duration) {
        match event {
            CopyEvent::Planned(blobs) => {
                if std::mem::take(&mut self.received) > 0 {
                    self.speed = Throughput::default();
                }
                self.sizes.extend(blobs);
                self.total = self.sizes.values().sum();
            }
            CopyEvent::Received(bytes) => {
                self.received += bytes;
                self.speed.note(now, self.received);
            }
            CopyEvent::Moved { digest, bytes } => {
                *self.moving.entry(digest).or_default() += bytes;
                self.moved += bytes;
                self.speed.note(now, self.moved);
            }
            CopyEvent::Blob { digest, status } => match status {
                BlobStatus::Preparing | BlobStatus::Waiting | BlobStatus::Carrying => {}
                BlobStatus::Again { position, .. } => self.set(digest, position),
                BlobStatus::Exists | BlobStatus::Mounted { .. } | BlobStatus::Carried => {
                    self.done += 1;
                    let size = self.sizes.get(&digest).copied().unwrap_or_default();
                    self.set(digest, size);
                }
            },
        }
    }

    fn set(&mut self, digest: Digest, bytes: u64) {
        let before = self.moving.insert(digest, bytes).unwrap_or_default();
        self.moved = (self.moved + bytes).saturating_sub(before);
    }

    fn line(&self, now: Duration, size: Size) -> Line {
        let mut line = Line::default();
        let picture = now.as_millis() / FRAME_TIME.as_millis().max(1);
        let picture = usize::try_from(picture).unwrap_or_default() % SPINNER.len();
        line.push(Look::Moving, SPINNER[picture]);
        line.push(Look::Strong, format!(" {}", self.name));
        if self.total > 0 {
            let done = percent(self.moved, self.total);
            line.push(Look::Plain, format!("  {}/{}", self.done, self.sizes.len()));
            line.push(Look::Plain, format!("  {done}%  "));
            line.append(bar(self.moved, self.total, BAR));
            let amount = human::amount_of(self.moved, self.total);
            line.push(Look::Plain, format!("  {amount}{}", self.rate(now)));
        } else if self.received > 0 {
            let amount = human::amount(self.received);
            line.push(Look::Plain, format!("  {amount}{}", self.rate(now)));
        }
        line.fit(size.columns.saturating_sub(1));
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
        let rate = self.speed.per_second(now);
        rate.map_or(String::new(), |rate| {
            format!("  {}/s", human::about_rate(rate))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        columns: 80,
        rows: 24,
    };

    #[test]
    fn bytes_are_counted_once_however_they_came() {
        let [a, b] = [Digest::sha256(b"a"), Digest::sha256(b"b")];
        let mut freight = Freight {
            name: "Saving app".to_owned(),
            ..Freight::default()
        };
        let at = Duration::from_secs;
        let line = |freight: &Freight| freight.line(at(1), SIZE).text(false);
        assert_eq!(&line(&freight)[3..], " Saving app");
        let blob = |digest, status| CopyEvent::Blob { digest, status };
        freight.take(CopyEvent::Planned(vec![(a, 1000), (b, 3000)]), at(0));
        freight.take(blob(a, BlobStatus::Exists), at(0));
        freight.take(
            CopyEvent::Moved {
                digest: b,
                bytes: 2000,
            },
            at(0),
        );
        let error = String::new();
        freight.take(
            blob(
                b,
                BlobStatus::Again {
                    position: 1000,
                    error,
                },
            ),
            at(0),
        );
        assert_eq!((freight.moved, freight.done), (2000, 1));
        assert!(line(&freight).contains("1/2  50%  ━"), "{}", line(&freight));
        freight.take(blob(b, BlobStatus::Carried), at(1));
        assert_eq!((freight.moved, freight.done), (4000, 2));
    }
}
