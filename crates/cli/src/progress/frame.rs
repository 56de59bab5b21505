//! The live picture on a terminal: a line an image and, below, the layers that move.
//!
//! ```text
//! ⠹ postgres:18  linux/amd64  14 layers  61%  ━━━━━━━━━━━╸──────  88.1/144.6 MB  212 MB/s  eta 0.3s   9 cached
//!     d3f1…  ━━━━━━━━╸───  41.2/62.0 MB     7a02…  unpacking 12.1/30.4 MB
//! ```
//!
//! Pure: views, a time and a size go in, lines come out, none wider than the screen.

use std::collections::HashSet;
use std::time::Duration;

use windlass::{LayerState, LayerView, PullPhase, PullView, percent};

use super::line::{Line, Look};
use crate::output::human;
use crate::output::text::truncated;
use windlass::text::escape;

/// How often a frame is drawn, and how long each picture of the spinner stays.
pub(super) const FRAME_TIME: Duration = Duration::from_millis(80);

pub(super) const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const LAYER_BAR: usize = 12;
const CELL_GAP: usize = 5;
const INDENT: &str = "    ";

/// The columns and rows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// A part of an image's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Platform,
    Layers,
    Percent,
    Bar {
        columns: usize,
    },
    Bytes,
    Rate,
    TimeLeft,
    /// What it does, where no numbers say so. Never given up.
    Doing,
    Cached,
}

/// What an image's line gives up as the screen gets narrower: each row one step further.
const PARTS: [&[Part]; 8] = {
    use Part::{Bar, Bytes, Cached, Doing, Layers, Percent, Platform, Rate, TimeLeft};
    const WIDE: Part = Bar { columns: 18 };
    const NARROW: Part = Bar { columns: 10 };
    [
        &[
            Platform, Layers, Percent, WIDE, Bytes, Rate, TimeLeft, Doing, Cached,
        ],
        &[Layers, Percent, WIDE, Bytes, Rate, TimeLeft, Doing, Cached],
        &[Layers, Percent, WIDE, Bytes, Rate, TimeLeft, Doing],
        &[Percent, WIDE, Bytes, Rate, TimeLeft, Doing],
        &[Percent, NARROW, Bytes, Rate, TimeLeft, Doing],
        &[Percent, NARROW, Bytes, TimeLeft, Doing],
        &[Percent, Bytes, Doing],
        &[Percent, Doing],
    ]
};

/// Returns the frame of all `views` that are under way.
pub(super) fn frame(views: &[&PullView], now: Duration, size: Size) -> Vec<Line> {
    // The last column stays free: writing there wraps on some terminals.
    let columns = size.columns.saturating_sub(1);
    // One row for the layers, one for what holds them up, one for the cursor.
    let shown = views.len().min(size.rows.saturating_sub(3).max(1));
    let mut lines: Vec<Line> = views[..shown]
        .iter()
        .map(|view| image_line(view, now, columns))
        .collect();
    if shown < views.len() {
        let mut more = Line::default();
        more.push(
            Look::Faint,
            format!("{INDENT}and {} more", views.len() - shown),
        );
        lines.push(more);
    }
    lines.extend(layers_line(views, columns));
    lines.extend(trouble_line(views, now));
    for line in &mut lines {
        line.fit(columns);
    }
    lines
}

fn image_line(view: &PullView, now: Duration, columns: usize) -> Line {
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

fn image_line_of(view: &PullView, parts: &[Part], name: &str, now: Duration) -> Line {
    let turn = now.as_millis() / FRAME_TIME.as_millis();
    let picture = usize::try_from(turn % 10).unwrap_or(0);
    let mut line = Line::default();
    line.push(Look::Moving, SPINNER[picture]);
    line.push(Look::Plain, " ");
    line.push(Look::Strong, name);
    for part in parts {
        if let Some(piece) = part_of(view, *part, now) {
            line.push(
                Look::Plain,
                if *part == Part::Cached { "   " } else { "  " },
            );
            line.append(piece);
        }
    }
    line
}

fn part_of(view: &PullView, part: Part, now: Duration) -> Option<Line> {
    let is_planned = matches!(view.phase(), PullPhase::Moving | PullPhase::Committing);
    let is_moving = view.phase() == PullPhase::Moving && view.missing_bytes() > 0;
    let is_downloading = is_moving && !view.is_downloaded();
    let (done, total) = (view.downloaded(), view.missing_bytes());
    let mut line = Line::default();
    match part {
        Part::Platform => line.push(Look::Plain, escape(&view.platform()?.to_string())),
        Part::Layers if is_planned => {
            line.push(
                Look::Plain,
                human::count(view.layer_count() as u64, "layer"),
            );
        }
        Part::Percent if is_moving => line.push(Look::Strong, format!("{}%", percent(done, total))),
        Part::Bar { columns } if is_moving => line.append(bar(done, total, columns)),
        Part::Bytes if is_moving => line.push(Look::Plain, human::amount_of(done, total)),
        Part::Rate if is_downloading => {
            line.push(
                Look::Plain,
                format!("{}/s", human::about_rate(view.rate(now)?)),
            );
        }
        Part::TimeLeft if is_downloading => {
            line.push(
                Look::Plain,
                format!("eta {}", human::duration(view.time_left(now)?)),
            );
        }
        Part::Doing => line.push(Look::Plain, doing(view)?),
        Part::Cached if is_planned && view.cached_count() > 0 => {
            line.push(Look::Faint, format!("{} cached", view.cached_count()));
        }
        Part::Layers
        | Part::Percent
        | Part::Bar { .. }
        | Part::Bytes
        | Part::Rate
        | Part::TimeLeft
        | Part::Cached => return None,
    }
    Some(line)
}

fn doing(view: &PullView) -> Option<&'static str> {
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

/// The layers that move, side by side: with bars if all fit so, else without; what still does not fit is
/// counted.
fn layers_line(views: &[&PullView], columns: usize) -> Option<Line> {
    let layers = moving(views);
    let with_bars: Vec<Line> = layers.iter().map(|layer| cell(layer, LAYER_BAR)).collect();
    let line = side_by_side(with_bars);
    if line.width() <= columns {
        return (!layers.is_empty()).then_some(line);
    }
    let cells: Vec<Line> = layers.iter().map(|layer| cell(layer, 0)).collect();
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
        line.push(Look::Faint, format!("  +{} more", cells.len() - fitting));
    }
    Some(line)
}

fn side_by_side(cells: Vec<Line>) -> Line {
    let mut line = Line::default();
    line.push(Look::Plain, INDENT);
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            line.push(Look::Plain, " ".repeat(CELL_GAP));
        }
        line.append(cell);
    }
    line
}

/// Layers that move, each blob once however many images want it.
fn moving<'a>(views: &[&'a PullView]) -> Vec<&'a LayerView> {
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

fn cell(layer: &LayerView, bar_columns: usize) -> Line {
    let mut line = Line::default();
    line.push(Look::Faint, format!("{}  ", short(layer)));
    match &layer.state {
        LayerState::Connecting { attempt: 1 } => line.push(Look::Plain, "connecting"),
        LayerState::Connecting { attempt } => {
            line.push(Look::Plain, format!("connecting, try {attempt}"));
        }
        LayerState::Downloading => {
            if bar_columns > 0 {
                line.append(bar(layer.downloaded, layer.size, bar_columns));
                line.push(Look::Plain, "  ");
            }
            line.push(Look::Plain, human::amount_of(layer.downloaded, layer.size));
        }
        LayerState::Unpacking => {
            let amount = human::amount_of(layer.unpacked, layer.size);
            line.push(Look::Plain, format!("unpacking {amount}"));
        }
        LayerState::Verifying => line.push(Look::Plain, "verifying"),
        LayerState::Queued
        | LayerState::Paused { .. }
        | LayerState::Retrying { .. }
        | LayerState::Done => {}
    }
    line
}

/// What holds a pull up: a retry or a pause of a layer, else a document that was not had at once.
fn trouble_line(views: &[&PullView], now: Duration) -> Option<Line> {
    retry_line(views, now)
        .or_else(|| pause_line(views, now))
        .or_else(|| setback_line(views, now))
}

/// The pause that ends first.
fn pause_line(views: &[&PullView], now: Duration) -> Option<Line> {
    let layers = views
        .iter()
        .flat_map(|view| view.layers().iter().map(move |layer| (view, layer)));
    let pauses = layers.filter_map(|(view, layer)| match layer.state {
        LayerState::Paused { until } => Some((until, view.deliverer(&layer.digest), layer)),
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
    let mut line = Line::default();
    line.push(Look::Faint, format!("{INDENT}{}  ", short(layer)));
    line.push(Look::Warning, format!("waiting {wait}"));
    line.push(Look::Plain, format!("  {} asked for it", escape(host)));
    Some(line)
}

/// The endpoint that did not answer as it should.
fn setback_line(views: &[&PullView], now: Duration) -> Option<Line> {
    let setback = views.iter().find_map(|view| view.setback())?;
    let next = match setback.again_at {
        None => "asking another endpoint".to_owned(),
        Some(at) => format!(
            "asking again in {}",
            human::duration(at.saturating_sub(now))
        ),
    };
    let mut line = Line::default();
    line.push(Look::Plain, INDENT);
    line.push(Look::Warning, next);
    line.push(Look::Plain, format!("  {}", escape(&setback.error)));
    Some(line)
}

/// The retry that comes next, with its reason: it deserves a line of its own.
fn retry_line(views: &[&PullView], now: Duration) -> Option<Line> {
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
    let mut line = Line::default();
    line.push(Look::Faint, format!("{INDENT}{}  ", short(layer)));
    line.push(Look::Warning, format!("try {attempt} in {wait}"));
    line.push(Look::Plain, format!("  {}", escape(error)));
    Some(line)
}

/// A bar of `columns`: full cells, a half cell, empty cells.
pub(super) fn bar(done: u64, total: u64, columns: usize) -> Line {
    let halves = match total {
        0 => 2 * columns,
        _ => usize::try_from(u128::from(done) * 2 * columns as u128 / u128::from(total))
            .map_or(0, |halves| halves.min(2 * columns)),
    };
    let (full, half) = (halves / 2, halves % 2);
    let mut line = Line::default();
    line.push(
        Look::Moving,
        format!("{}{}", "━".repeat(full), "╸".repeat(half)),
    );
    line.push(Look::Faint, "─".repeat(columns - full - half));
    line
}

/// The first digits of the digest: enough to tell the moving layers apart.
fn short(layer: &LayerView) -> String {
    let digits = layer.digest.short();
    format!("{}…", &digits[..4])
}

#[cfg(test)]
mod tests;
