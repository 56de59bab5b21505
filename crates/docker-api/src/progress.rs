//! The progress stream of pulls, pushes and loads: one JSON object per line (PG-3).

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One message of the stream (Docker's `JSONMessage`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgressMessage {
    /// Text that is printed as it is; used by `load`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The status of the operation or of the layer or tag `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The progress in bytes; an empty object if there are no numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<ProgressDetail>,
    /// The progress as a text bar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// The layer or tag that the message is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The error that ended the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ErrorDetail>,
    /// The text of the error, for old clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Results for programs, such as a [`PushResult`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<serde_json::Value>,
}

/// The progress of a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressDetail {
    /// The bytes transferred so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub current: u64,
    /// The total number of bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub total: u64,
}

/// An error in the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// The HTTP status code for the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The error and its causes, on one line.
    pub message: String,
}

/// The result of a push, in [`ProgressMessage::aux`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PushResult {
    /// The tag.
    pub tag: String,
    /// The digest of the manifest or index.
    pub digest: String,
    /// The size of the manifest or index, in bytes.
    pub size: u64,
}

impl ProgressMessage {
    /// Returns a message about the whole operation.
    pub fn status(text: impl Into<String>) -> Self {
        Self {
            status: Some(text.into()),
            ..Self::default()
        }
    }

    /// Returns a message about the layer or tag `id`.
    pub fn about(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            id: Some(id.into()),
            ..Self::status(text)
        }
    }

    /// Returns a message about the progress of the layer `id`; it contains no numbers if both are 0.
    pub fn progress(id: &str, text: &str, current: u64, total: u64) -> Self {
        let has_numbers = (current, total) != (0, 0);
        Self {
            progress: has_numbers.then(|| bar(current, total)),
            progress_detail: Some(ProgressDetail { current, total }),
            ..Self::about(id, text)
        }
    }

    /// Returns the last message of a failed operation.
    pub fn failed(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            error: Some(message.clone()),
            error_detail: Some(ErrorDetail {
                code: None,
                message,
            }),
            ..Self::default()
        }
    }

    /// Returns a message of plain text, as `load` sends them.
    pub fn stream(text: impl Into<String>) -> Self {
        Self {
            stream: Some(text.into()),
            ..Self::default()
        }
    }

    /// Returns the message as a line of JSON, including the line end.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.extend_from_slice(b"\r\n");
        line
    }
}

/// The width of a bar, in columns.
const BAR_WIDTH: u64 = 50;

/// Returns the progress as a text bar: `[=====>     ]  1.2MB/3MB`.
pub fn bar(current: u64, total: u64) -> String {
    let mut drawn = String::new();
    if let Some(filled) = current.saturating_mul(BAR_WIDTH).checked_div(total) {
        let filled = filled.min(BAR_WIDTH);
        let (filled, empty) = (count(filled), count(BAR_WIDTH - filled));
        let _ = write!(drawn, "[{}>{}] ", "=".repeat(filled), " ".repeat(empty));
    }
    let _ = write!(drawn, "{:>8}", size(current));
    if total > 0 && current <= total {
        let _ = write!(drawn, "/{}", size(total));
    }
    drawn
}

fn count(columns: u64) -> usize {
    usize::try_from(columns).unwrap_or_default()
}

/// Formats a size as Docker does: four significant digits, powers of 1000.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    #[expect(clippy::cast_precision_loss, reason = "only four digits are printed")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    let digits = match value {
        value if value >= 1000.0 => 0,
        value if value >= 100.0 => 1,
        value if value >= 10.0 => 2,
        _ => 3,
    };
    let mut text = format!("{value:.digits$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    text + UNITS[unit]
}

// serde passes a reference.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde requires this signature"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_look_like_those_of_docker() {
        assert_eq!(
            bar(512, 1024),
            "[=========================>                         ]     512B/1.024kB"
        );
        assert_eq!(bar(1_049_000, 0), " 1.049MB");
        let full = "=".repeat(50);
        assert_eq!(bar(7, 7), format!("[{full}>]       7B/7B"));
        assert_eq!(size(999_949), "999.9kB");
        assert_eq!(size(0), "0B");
    }

    #[test]
    fn messages_are_lines_of_json() {
        let line = ProgressMessage::progress("abc", "Downloading", 1, 2).to_line();
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},\
             \"progress\":\"[=========================>                         ]       1B/2B\",\
             \"id\":\"abc\"}\r\n"
        );
        let line = ProgressMessage::progress("abc", "Waiting", 0, 0).to_line();
        let expected = "{\"status\":\"Waiting\",\"progressDetail\":{},\"id\":\"abc\"}\r\n";
        assert_eq!(String::from_utf8(line).unwrap(), expected);
        let line = String::from_utf8(ProgressMessage::failed("no").to_line()).unwrap();
        assert_eq!(
            line,
            "{\"errorDetail\":{\"message\":\"no\"},\"error\":\"no\"}\r\n"
        );
    }
}
