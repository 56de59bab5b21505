//! The stream in which pulls, pushes and loads are told: one JSON object a line (PG-3).

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One line of the stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgressMessage {
    /// Words of no particular layer, as of `load`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// How far it is; an empty object where there are no numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<ProgressDetail>,
    /// The same, drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Which layer, or which tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ErrorDetail>,
    /// The same, for old clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What programs want to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<serde_json::Value>,
}

/// How far something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressDetail {
    /// Bytes that are done.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub current: u64,
    /// All of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub total: u64,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// The status that the answer would have had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// In one line.
    pub message: String,
}

/// What a push ends with, in [`ProgressMessage::aux`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PushResult {
    /// The tag.
    pub tag: String,
    /// The digest of the manifest or index.
    pub digest: String,
    /// The size of that in bytes.
    pub size: u64,
}

impl ProgressMessage {
    /// Returns a line of words alone.
    pub fn status(text: impl Into<String>) -> Self {
        Self {
            status: Some(text.into()),
            ..Self::default()
        }
    }

    /// Returns a line about the layer or tag `id`.
    pub fn about(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            id: Some(id.into()),
            ..Self::status(text)
        }
    }

    /// Returns a line about a layer that is `current` of `total` bytes far; without numbers where both are 0.
    pub fn progress(id: &str, text: &str, current: u64, total: u64) -> Self {
        let has_numbers = (current, total) != (0, 0);
        Self {
            progress: has_numbers.then(|| bar(current, total)),
            progress_detail: Some(ProgressDetail { current, total }),
            ..Self::about(id, text)
        }
    }

    /// Returns the last line of what failed.
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

    /// Returns a line of `load`.
    pub fn words(text: impl Into<String>) -> Self {
        Self {
            stream: Some(text.into()),
            ..Self::default()
        }
    }

    /// Returns the line with its end, as it goes over the wire.
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.extend_from_slice(b"\r\n");
        line
    }
}

/// How many columns a bar has.
const BAR: u64 = 50;

/// Draws how far something is: `[=====>     ]  1.2MB/3MB`.
pub fn bar(current: u64, total: u64) -> String {
    let mut drawn = String::new();
    if let Some(filled) = current.saturating_mul(BAR).checked_div(total) {
        let filled = filled.min(BAR);
        let (filled, empty) = (count(filled), count(BAR - filled));
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

/// Writes a size as Docker does: four significant digits, powers of 1000.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
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

// serde hands over a reference.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_drawn_as_by_docker() {
        assert_eq!(
            bar(512, 1024),
            "[=========================>                         ]     512B/1.024kB"
        );
        assert_eq!(bar(1_049_000, 0), " 1.049MB");
        assert!(bar(7, 7).starts_with(&format!("[{}>] ", "=".repeat(50))));
        assert_eq!(size(999_949), "999.9kB");
        assert_eq!(size(0), "0B");
    }

    #[test]
    fn lines_end_as_on_the_wire() {
        let line = ProgressMessage::progress("abc", "Downloading", 1, 2).line();
        let line = String::from_utf8(line).unwrap();
        assert!(line.ends_with("\"id\":\"abc\"}\r\n"), "{line}");
        assert!(line.starts_with(
            "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},"
        ));
        let line = ProgressMessage::progress("abc", "Waiting", 0, 0).line();
        let expected = "{\"status\":\"Waiting\",\"progressDetail\":{},\"id\":\"abc\"}\r\n";
        assert_eq!(String::from_utf8(line).unwrap(), expected);
        let line = String::from_utf8(ProgressMessage::failed("no").line()).unwrap();
        assert_eq!(
            line,
            "{\"errorDetail\":{\"message\":\"no\"},\"error\":\"no\"}\r\n"
        );
    }
}
