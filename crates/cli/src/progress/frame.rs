//! The frame on a terminal: one line per image and, below them, one line with the active layers.
//!
//! ```text
//! ⠹ postgres:18  linux/amd64  14 layers  61%  ━━━━━━━━━━━╸──────  88.1/144.6 MB  212 MB/s  eta 0.3s   9 cached
//!     d3f1…  ━━━━━━━━╸───  41.2/62.0 MB     7a02…  unpacking 12.1/30.4 MB
//! ```
//!
//! Frames are computed from views, a time and a size, without side effects. No line is wider than the terminal.

use std::collections::HashSet;
use std::time::Duration;

use windlass::transfer::{LayerState, LayerView, PullPhase, PullView, percent};

use super::styled_line::{StyledLine, TextStyle};
use super::terminal::TerminalSize;
use crate::output::human;
use crate::output::text::truncated;
use windlass::text::escape;

/// The interval of frames, and of the animation of the spinner.
pub(super) const FRAME_TIME: Duration = Duration::from_millis(80);

pub(super) const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const LAYER_BAR: usize = 12;
const CELL_GAP: usize = 5;
const INDENT: &str = "    ";

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

/// Returns the frame of running pulls.
pub(super) fn frame(views: &[&PullView], now: Duration, size: TerminalSize) -> Vec<StyledLine> {
    // The last column stays free: writing there wraps on some terminals.
    let columns = size.columns.saturating_sub(1);
    // One row is for the layers, one for the cause of a delay, and one for the cursor.
    let shown = views.len().min(size.rows.saturating_sub(3).max(1));
    let mut lines: Vec<StyledLine> = views[..shown]
        .iter()
        .map(|view| image_line(view, now, columns))
        .collect();
    if shown < views.len() {
        let mut more = StyledLine::default();
        more.push(
            TextStyle::Faint,
            format!("{INDENT}and {} more", views.len() - shown),
        );
        lines.push(more);
    }
    lines.extend(layers_line(views, columns));
    lines.extend(delay_line(views, now));
    for line in &mut lines {
        line.truncate(columns);
    }
    lines
}

fn image_line(view: &PullView, now: Duration, columns: usize) -> StyledLine {
    for parts in PARTS {
        let line = image_line_of(view, parts, view.name(), now);
        if line.width() <= columns {
            return line;
        }
    }
    let parts = PARTS[PARTS.len() - 1];
    let others = image_line_of(view, parts, "", now).width();
    let name = truncated(view.name(), columns.saturating_sub(others).max(1));
    image_line_of(view, parts, &name, now)
}

fn image_line_of(
    view: &PullView,
    parts: &[ImageLinePart],
    name: &str,
    now: Duration,
) -> StyledLine {
    let step = now.as_millis() / FRAME_TIME.as_millis();
    let glyph = usize::try_from(step % 10).unwrap_or(0);
    let mut line = StyledLine::default();
    line.push(TextStyle::Moving, SPINNER[glyph]);
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

/// Returns the line of the active layers: with bars if all of them fit, otherwise without. Layers that still do not
/// fit are counted.
fn layers_line(views: &[&PullView], columns: usize) -> Option<StyledLine> {
    let layers = active_layers(views);
    let with_bars: Vec<StyledLine> = layers.iter().map(|layer| cell(layer, LAYER_BAR)).collect();
    let line = side_by_side(with_bars);
    if line.width() <= columns {
        return (!layers.is_empty()).then_some(line);
    }
    let cells: Vec<StyledLine> = layers.iter().map(|layer| cell(layer, 0)).collect();
    let more_columns = 12;
    let fitting = (1..=cells.len())
        .rev()
        .find(|&count| {
            let line = side_by_side(cells[..count].to_vec());
            let rest = if count < cells.len() { more_columns } else { 0 };
            line.width() + rest <= columns
        })
        .unwrap_or(1);
    let mut line = side_by_side(cells[..fitting].to_vec());
    if fitting < cells.len() {
        line.push(
            TextStyle::Faint,
            format!("  +{} more", cells.len() - fitting),
        );
    }
    Some(line)
}

fn side_by_side(cells: Vec<StyledLine>) -> StyledLine {
    let mut line = StyledLine::default();
    line.push(TextStyle::Plain, INDENT);
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            line.push(TextStyle::Plain, " ".repeat(CELL_GAP));
        }
        line.append(cell);
    }
    line
}

/// Returns the active layers. A blob that several images share is included once.
fn active_layers<'a>(views: &[&'a PullView]) -> Vec<&'a LayerView> {
    let mut seen = HashSet::new();
    views
        .iter()
        .filter(|view| view.phase() == PullPhase::Moving)
        .flat_map(|view| view.layers())
        .filter(|layer| match layer.state {
            LayerState::Connecting { .. }
            | LayerState::Downloading
            | LayerState::Unpacking
            | LayerState::Verifying => true,
            LayerState::Queued
            | LayerState::Paused { .. }
            | LayerState::Retrying { .. }
            | LayerState::Done => false,
        })
        .filter(|layer| seen.insert(layer.digest))
        .collect()
}

fn cell(layer: &LayerView, bar_columns: usize) -> StyledLine {
    let mut line = StyledLine::default();
    line.push(TextStyle::Faint, format!("{}  ", short_digest(layer)));
    match &layer.state {
        LayerState::Connecting { attempt: 1 } => line.push(TextStyle::Plain, "connecting"),
        LayerState::Connecting { attempt } => {
            line.push(TextStyle::Plain, format!("connecting, attempt {attempt}"));
        }
        LayerState::Downloading => {
            if bar_columns > 0 {
                line.append(bar(layer.downloaded, layer.size, bar_columns));
                line.push(TextStyle::Plain, "  ");
            }
            line.push(
                TextStyle::Plain,
                human::amount_of(layer.downloaded, layer.size),
            );
        }
        LayerState::Unpacking => {
            let amount = human::amount_of(layer.unpacked, layer.size);
            line.push(TextStyle::Plain, format!("unpacking {amount}"));
        }
        LayerState::Verifying => line.push(TextStyle::Plain, "verifying"),
        LayerState::Queued
        | LayerState::Paused { .. }
        | LayerState::Retrying { .. }
        | LayerState::Done => {}
    }
    line
}

/// Returns the line with the cause of a delay: a retry or a pause of a layer, or a failed request for a manifest or
/// config.
fn delay_line(views: &[&PullView], now: Duration) -> Option<StyledLine> {
    retry_line(views, now)
        .or_else(|| pause_line(views, now))
        .or_else(|| setback_line(views, now))
}

/// Returns the line of the pause that ends first.
fn pause_line(views: &[&PullView], now: Duration) -> Option<StyledLine> {
    let layers = views
        .iter()
        .flat_map(|view| view.layers().iter().map(move |layer| (view, layer)));
    let pauses = layers.filter_map(|(view, layer)| match layer.state {
        LayerState::Paused { until } => Some((until, view.endpoint_name(&layer.digest), layer)),
        LayerState::Queued
        | LayerState::Connecting { .. }
        | LayerState::Downloading
        | LayerState::Unpacking
        | LayerState::Verifying
        | LayerState::Retrying { .. }
        | LayerState::Done => None,
    });
    let (until, host, layer) = pauses.min_by_key(|(until, ..)| *until)?;
    let wait = human::duration(until.saturating_sub(now));
    let mut line = StyledLine::default();
    line.push(
        TextStyle::Faint,
        format!("{INDENT}{}  ", short_digest(layer)),
    );
    line.push(TextStyle::Warning, format!("waiting {wait}"));
    line.push(
        TextStyle::Plain,
        format!("  rate limited by {}", escape(host)),
    );
    Some(line)
}

/// Returns the line of a failed request.
fn setback_line(views: &[&PullView], now: Duration) -> Option<StyledLine> {
    let setback = views.iter().find_map(|view| view.setback())?;
    let next = match setback.again_at {
        None => "trying another endpoint".to_owned(),
        Some(at) => format!("retrying in {}", human::duration(at.saturating_sub(now))),
    };
    let mut line = StyledLine::default();
    line.push(TextStyle::Plain, INDENT);
    line.push(TextStyle::Warning, next);
    line.push(TextStyle::Plain, format!("  {}", escape(&setback.error)));
    Some(line)
}

/// Returns the line of the next retry, with its reason.
fn retry_line(views: &[&PullView], now: Duration) -> Option<StyledLine> {
    let retries = views
        .iter()
        .flat_map(|view| view.layers())
        .filter_map(|layer| match &layer.state {
            LayerState::Retrying { at, attempt, error } => Some((at, layer, attempt, error)),
            LayerState::Queued
            | LayerState::Paused { .. }
            | LayerState::Connecting { .. }
            | LayerState::Downloading
            | LayerState::Unpacking
            | LayerState::Verifying
            | LayerState::Done => None,
        });
    let (at, layer, attempt, error) = retries.min_by_key(|&(at, ..)| at)?;
    let wait = human::duration(at.saturating_sub(now));
    let mut line = StyledLine::default();
    line.push(
        TextStyle::Faint,
        format!("{INDENT}{}  ", short_digest(layer)),
    );
    line.push(TextStyle::Warning, format!("attempt {attempt} in {wait}"));
    line.push(TextStyle::Plain, format!("  {}", escape(error)));
    Some(line)
}

/// Returns a progress bar. Its resolution is half a column.
pub(super) fn bar(done: u64, total: u64, columns: usize) -> StyledLine {
    let halves = match total {
        0 => 2 * columns,
        _ => usize::try_from(u128::from(done) * 2 * columns as u128 / u128::from(total))
            .map_or(0, |halves| halves.min(2 * columns)),
    };
    let (full, half) = (halves / 2, halves % 2);
    let mut line = StyledLine::default();
    line.push(
        TextStyle::Moving,
        format!("{}{}", "━".repeat(full), "╸".repeat(half)),
    );
    line.push(TextStyle::Faint, "─".repeat(columns - full - half));
    line
}

/// Returns the first digits of the digest, which distinguish the active layers.
fn short_digest(layer: &LayerView) -> String {
    let digits = layer.digest.short();
    format!("{}…", &digits[..4])
}

#[cfg(test)]
mod tests;
