//! The line of an image: as many of its parts as fit.

use std::time::Duration;

use windlass::text::{escape, truncate};
use windlass::transfer::{PullPhase, PullView, percent};

use crate::bar::{bar, spinner};
use crate::human;
use crate::styled_line::{StyledLine, TextStyle};

/// A part of the line of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ImageLinePart {
    Platform,
    Layers,
    Percent,
    Bar {
        columns: usize,
    },
    Bytes,
    Rate,
    TimeLeft,
    /// The activity of the pull if no number shows it. It is part of the line at every width.
    Activity,
    Cached,
}

/// The parts of the line of an image, from the widest terminal to the narrowest.
const PARTS: [&[ImageLinePart]; 8] = {
    use ImageLinePart::{Activity, Bar, Bytes, Cached, Layers, Percent, Platform, Rate, TimeLeft};
    const WIDE: ImageLinePart = Bar { columns: 18 };
    const NARROW: ImageLinePart = Bar { columns: 10 };
    [
        &[
            Platform, Layers, Percent, WIDE, Bytes, Rate, TimeLeft, Activity, Cached,
        ],
        &[
            Layers, Percent, WIDE, Bytes, Rate, TimeLeft, Activity, Cached,
        ],
        &[Layers, Percent, WIDE, Bytes, Rate, TimeLeft, Activity],
        &[Percent, WIDE, Bytes, Rate, TimeLeft, Activity],
        &[Percent, NARROW, Bytes, Rate, TimeLeft, Activity],
        &[Percent, NARROW, Bytes, TimeLeft, Activity],
        &[Percent, Bytes, Activity],
        &[Percent, Activity],
    ]
};

/// Returns the line of an image, which is at most `columns` wide.
pub(super) fn image_line(view: &PullView, now: Duration, columns: usize) -> StyledLine {
    for parts in PARTS {
        let line = image_line_of(view, parts, view.name(), now);
        if line.width() <= columns {
            return line;
        }
    }
    let parts = PARTS[PARTS.len() - 1];
    let others = image_line_of(view, parts, "", now).width();
    let name = truncate(view.name(), columns.saturating_sub(others).max(1));
    image_line_of(view, parts, &name, now)
}

fn image_line_of(
    view: &PullView,
    parts: &[ImageLinePart],
    name: &str,
    now: Duration,
) -> StyledLine {
    let mut line = StyledLine::default();
    line.push(TextStyle::Moving, spinner(now));
    line.push(TextStyle::Plain, " ");
    line.push(TextStyle::Strong, name);
    for part in parts {
        if let Some(piece) = part_of(view, *part, now) {
            line.push(
                TextStyle::Plain,
                if *part == ImageLinePart::Cached {
                    "   "
                } else {
                    "  "
                },
            );
            line.append(piece);
        }
    }
    line
}

fn part_of(view: &PullView, part: ImageLinePart, now: Duration) -> Option<StyledLine> {
    let is_planned = matches!(view.phase(), PullPhase::Moving | PullPhase::Committing);
    let is_moving = view.phase() == PullPhase::Moving && view.missing_bytes() > 0;
    let is_downloading = is_moving && !view.is_downloaded();
    let (done, total) = (view.downloaded(), view.missing_bytes());
    let mut line = StyledLine::default();
    match part {
        ImageLinePart::Platform => {
            line.push(TextStyle::Plain, escape(&view.platform()?.to_string()));
        }
        ImageLinePart::Layers if is_planned => {
            line.push(
                TextStyle::Plain,
                human::count(view.layer_count() as u64, "layer"),
            );
        }
        ImageLinePart::Percent if is_moving => {
            line.push(TextStyle::Strong, format!("{}%", percent(done, total)));
        }
        ImageLinePart::Bar { columns } if is_moving => line.append(bar(done, total, columns)),
        ImageLinePart::Bytes if is_moving => {
            line.push(TextStyle::Plain, human::amount_of(done, total));
        }
        ImageLinePart::Rate if is_downloading => {
            line.push(
                TextStyle::Plain,
                format!("{}/s", human::about_rate(view.rate(now)?)),
            );
        }
        ImageLinePart::TimeLeft if is_downloading => {
            line.push(
                TextStyle::Plain,
                format!("eta {}", human::duration(view.time_left(now)?)),
            );
        }
        ImageLinePart::Activity => line.push(TextStyle::Plain, activity(view)?),
        ImageLinePart::Cached if is_planned && view.cached_count() > 0 => {
            line.push(TextStyle::Faint, format!("{} cached", view.cached_count()));
        }
        ImageLinePart::Layers
        | ImageLinePart::Percent
        | ImageLinePart::Bar { .. }
        | ImageLinePart::Bytes
        | ImageLinePart::Rate
        | ImageLinePart::TimeLeft
        | ImageLinePart::Cached => return None,
    }
    Some(line)
}

fn activity(view: &PullView) -> Option<&'static str> {
    match view.phase() {
        PullPhase::Resolving => Some("resolving"),
        PullPhase::Planning => Some("reading the config"),
        PullPhase::Moving if view.is_downloaded() && view.unpacked() < view.missing_bytes() => {
            Some("unpacking")
        }
        PullPhase::Moving => None,
        PullPhase::Committing => Some("committing"),
    }
}
