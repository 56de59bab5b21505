//! Progress for logs: a line when the transfer starts, one at the end, and heartbeats in between.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use windlass::transfer::{LayerStatus, PullPhase, PullView, Reason, Setback, percent};
use windlass::{PullEvent, text};

use crate::human;

/// The interval of heartbeats without other output.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);

/// Writes complete lines without escape sequences.
#[derive(Debug, Default)]
pub(crate) struct PlainLog {
    /// The time of the last line of each pull, by the index of the pull.
    last_lines: HashMap<usize, Duration>,
}

impl PlainLog {
    /// Starts the interval of heartbeats of a pull.
    pub(crate) fn start(&mut self, index: usize, now: Duration) {
        self.last_lines.insert(index, now);
    }

    /// Writes the line of an event, if it has one. The event is already part of `view`.
    pub(crate) fn event(
        &mut self,
        out: &mut dyn Write,
        index: usize,
        view: &PullView,
        event: &PullEvent,
        now: Duration,
    ) {
        let line = match event {
            PullEvent::Planned {
                reused_bytes,
                resumed_bytes,
                ..
            } if view.missing_bytes() > 0 => format_start(view, *reused_bytes, *resumed_bytes),
            PullEvent::Setback(setback) => setback_text(view.name(), setback),
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
                    // The count starts again with another endpoint.
                    1 => format!(
                        "{layer}: {}; trying another endpoint",
                        format_reason(reason)
                    ),
                    _ => {
                        let wait = human::duration(*after);
                        format!(
                            "{layer}: attempt {attempt} in {wait}: {}",
                            format_reason(reason)
                        )
                    }
                }
            }
            PullEvent::Layer {
                digest,
                status: LayerStatus::Paused { after, .. },
            } => format!(
                "{}: layer {}: waiting {}: rate limited by {}",
                view.name(),
                digest.short(),
                human::duration(*after),
                view.endpoint_name(digest)
            ),
            PullEvent::Resolving { .. }
            | PullEvent::Resolved { .. }
            | PullEvent::Planned { .. }
            | PullEvent::Layer { .. }
            | PullEvent::Committing => return,
        };
        self.write_line(out, index, &line, now);
    }

    /// Writes a heartbeat if the pull wrote no line for the interval.
    pub(crate) fn tick(
        &mut self,
        out: &mut dyn Write,
        index: usize,
        view: &PullView,
        now: Duration,
    ) {
        let last_line = self.last_lines.get(&index).copied().unwrap_or_default();
        if now.saturating_sub(last_line) >= HEARTBEAT {
            self.write_line(out, index, &format_heartbeat(view, now), now);
        }
    }

    /// Writes a line of a pull.
    fn write_line(&mut self, out: &mut dyn Write, index: usize, line: &str, now: Duration) {
        self.last_lines.insert(index, now);
        // A pull does not fail because its log cannot be written.
        drop(writeln!(out, "{line}"));
    }
}

/// Returns the line about a failed request for a manifest or config of the image `name`.
pub fn setback_text(name: &str, setback: &Setback) -> String {
    let reason = format_reason(&setback.reason);
    match setback.after {
        None => format!("{name}: {reason}; trying another endpoint"),
        Some(after) => format!("{name}: {reason}; retrying in {}", human::duration(after)),
    }
}

fn format_reason(reason: &Reason) -> String {
    text::escape(&text::error_chain(&*reason.0)).into_owned()
}

fn format_start(view: &PullView, reused_bytes: u64, resumed_bytes: u64) -> String {
    let name = view.name();
    let platform = view
        .platform()
        .map(|platform| format!(" for {platform}"))
        .unwrap_or_default();
    let layers = human::count(view.layer_count() as u64, "layer");
    let missing = human::amount(view.missing_bytes());
    let line = format!(
        "Pulling {name}{}: {layers}, {missing} to download",
        text::escape(&platform)
    );
    let line = match reused_bytes {
        0 => line,
        _ => format!("{line}, {} already present", human::amount(reused_bytes)),
    };
    match resumed_bytes {
        0 => line,
        _ => format!(
            "{line}, {} from an earlier pull",
            human::amount(resumed_bytes)
        ),
    }
}

fn format_heartbeat(view: &PullView, now: Duration) -> String {
    let (done, total) = (view.downloaded(), view.missing_bytes());
    let status = match view.phase() {
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
    format!("{}: {status}", view.name())
}
