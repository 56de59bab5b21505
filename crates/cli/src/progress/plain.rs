//! Progress for logs: a line when a pull starts to move, one when it ends, and a sign of life in between.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use windlass::{LayerStatus, PullEvent, PullPhase, PullView, Reason, Setback, percent, text};

use crate::output::human;
use windlass::text::escape;

/// The longest silence while something goes on.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);

/// Writes whole lines, without escapes.
#[derive(Debug, Default)]
pub(super) struct Plain {
    /// When each pull last said something, by its number.
    spoke: HashMap<usize, Duration>,
}

impl Plain {
    /// Notes that a pull starts: its silence begins.
    pub(super) fn start(&mut self, place: usize, now: Duration) {
        self.spoke.insert(place, now);
    }

    /// Says what `event` makes worth a line; `view` has taken it in.
    pub(super) fn event(
        &mut self,
        out: &mut dyn Write,
        (place, view): (usize, &PullView),
        event: &PullEvent,
        now: Duration,
    ) {
        let line = match event {
            PullEvent::Planned {
                reused_bytes,
                resumed_bytes,
                ..
            } if view.missing_bytes() > 0 => start(view, *reused_bytes, *resumed_bytes),
            PullEvent::Setback(what) => setback(view.name(), what),
            PullEvent::Layer {
                digest,
                status:
                    LayerStatus::Retrying {
                        after,
                        attempt,
                        reason,
                    },
            } => {
                let layer = format!("{}: layer {}", view.name(), digest.short());
                match attempt {
                    // Counted anew: it is the first try with another endpoint.
                    1 => format!("{layer}: {}; asking another endpoint", words(reason)),
                    _ => {
                        let wait = human::duration(*after);
                        format!("{layer}: try {attempt} in {wait}: {}", words(reason))
                    }
                }
            }
            PullEvent::Layer {
                digest,
                status: LayerStatus::Paused { after, .. },
            } => format!(
                "{}: layer {}: waiting {}: {} asked for it",
                view.name(),
                digest.short(),
                human::duration(*after),
                view.deliverer(digest)
            ),
            PullEvent::Resolving { .. }
            | PullEvent::Resolved { .. }
            | PullEvent::Planned { .. }
            | PullEvent::Layer { .. }
            | PullEvent::Committing => return,
        };
        self.say(out, place, &line, now);
    }

    /// Gives a sign of life if the pull was silent for long.
    pub(super) fn tick(
        &mut self,
        out: &mut dyn Write,
        (place, view): (usize, &PullView),
        now: Duration,
    ) {
        let spoke = self.spoke.get(&place).copied().unwrap_or_default();
        if now.saturating_sub(spoke) >= HEARTBEAT {
            self.say(out, place, &heartbeat(view, now), now);
        }
    }

    /// Writes `line` for the pull at `place`.
    fn say(&mut self, out: &mut dyn Write, place: usize, line: &str, now: Duration) {
        self.spoke.insert(place, now);
        // A log that cannot be written is no reason to fail a pull.
        drop(writeln!(out, "{line}"));
    }
}

/// Returns the line about an endpoint that did not give what it was asked for.
pub(crate) fn setback(name: &str, setback: &Setback) -> String {
    let reason = words(&setback.reason);
    match setback.after {
        None => format!("{name}: {reason}; asking another endpoint"),
        Some(after) => format!(
            "{name}: {reason}; asking again in {}",
            human::duration(after)
        ),
    }
}

fn words(reason: &Reason) -> String {
    escape(&text::error_chain(&*reason.0)).into_owned()
}

fn start(view: &PullView, reused_bytes: u64, resumed_bytes: u64) -> String {
    let name = view.name();
    let platform = view
        .platform()
        .map(|platform| format!(" for {platform}"))
        .unwrap_or_default();
    let layers = human::count(view.layer_count() as u64, "layer");
    let missing = human::amount(view.missing_bytes());
    let line = format!(
        "Pulling {name}{}: {layers}, {missing} to download",
        escape(&platform)
    );
    let line = match reused_bytes {
        0 => line,
        _ => format!("{line}, {} here already", human::amount(reused_bytes)),
    };
    match resumed_bytes {
        0 => line,
        _ => format!("{line}, {} kept from before", human::amount(resumed_bytes)),
    }
}

fn heartbeat(view: &PullView, now: Duration) -> String {
    let (done, total) = (view.downloaded(), view.missing_bytes());
    let news = match view.phase() {
        PullPhase::Resolving => "still resolving".to_owned(),
        PullPhase::Planning => "still reading the config".to_owned(),
        PullPhase::Moving if view.is_downloaded() => {
            let unpacked = percent(view.unpacked(), total);
            format!("100%, {}, unpacking {unpacked}%", human::amount(total))
        }
        PullPhase::Moving => {
            let rate = view
                .rate(now)
                .map(|rate| format!(", {}/s", human::about_rate(rate)));
            let left = view
                .time_left(now)
                .map(|left| format!(", eta {}", human::duration(left)));
            format!(
                "{}%, {}{}{}",
                percent(done, total),
                human::amount_of(done, total),
                rate.unwrap_or_default(),
                left.unwrap_or_default()
            )
        }
        PullPhase::Committing => "still committing".to_owned(),
    };
    format!("{}: {news}", view.name())
}
