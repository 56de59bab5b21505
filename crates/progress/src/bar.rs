//! The progress bar and the spinner.

use std::time::Duration;

use crate::styled_line::{StyledLine, TextStyle};

/// The interval of frames, and of the animation of the spinner.
pub(crate) const FRAME_TIME: Duration = Duration::from_millis(80);

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// Returns the character of the spinner at a time.
pub(crate) fn spinner(now: Duration) -> &'static str {
    let step = now.as_millis() / FRAME_TIME.as_millis();
    let index = step % SPINNER.len() as u128;
    SPINNER[usize::try_from(index).unwrap_or_default()]
}

/// Returns a progress bar. Its resolution is half a column.
pub(crate) fn bar(done: u64, total: u64, columns: usize) -> StyledLine {
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
