//! The line with the cause of a delay.

use std::time::Duration;

use windlass::text::escape;
use windlass::transfer::{LayerState, PullView};

use super::layers_line::{INDENT, short_digest};
use crate::human;
use crate::styled_line::{StyledLine, TextStyle};

/// Returns the line with the cause of a delay: a retry or a pause of a layer, or a failed request for a manifest or
/// config.
pub(super) fn delay_line(views: &[&PullView], now: Duration) -> Option<StyledLine> {
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
