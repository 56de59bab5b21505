//! The frame on a terminal: one line per image and, below them, one line with the active layers.
//!
//! ```text
//! ⠹ postgres:18  linux/amd64  14 layers  61%  ━━━━━━━━━━━╸──────  88.1/144.6 MB  212 MB/s  eta 0.3s   9 cached
//!     d3f1…  ━━━━━━━━╸───  41.2/62.0 MB     7a02…  unpacking 12.1/30.4 MB
//! ```
//!
//! Frames are computed from views, a time and a size, without side effects. No line is wider than the terminal.

mod delay_line;
mod image_line;
mod layers_line;

use std::time::Duration;

use windlass::transfer::PullView;

use crate::styled_line::{StyledLine, TextStyle};
use crate::terminal::TerminalSize;
use delay_line::delay_line;
use image_line::image_line;
use layers_line::{INDENT, layers_line};

/// Returns the frame of running pulls.
pub(crate) fn frame(views: &[&PullView], now: Duration, size: TerminalSize) -> Vec<StyledLine> {
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

#[cfg(test)]
mod tests;
