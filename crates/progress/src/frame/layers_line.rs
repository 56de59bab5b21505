//! The line of the active layers.

use std::collections::HashSet;

use windlass::transfer::{LayerState, LayerView, PullPhase, PullView};

use crate::bar::bar;
use crate::human;
use crate::styled_line::{StyledLine, TextStyle};

const LAYER_BAR: usize = 12;
const CELL_GAP: usize = 5;
pub(super) const INDENT: &str = "    ";

/// Returns the line of the active layers: with bars if all of them fit, otherwise without. Layers that still do not
/// fit are counted.
pub(super) fn layers_line(views: &[&PullView], columns: usize) -> Option<StyledLine> {
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

/// Returns the first digits of the digest, which distinguish the active layers.
pub(super) fn short_digest(layer: &LayerView) -> String {
    let digits = layer.digest.short();
    format!("{}…", &digits[..4])
}
