//! Remote text made fit for people's eyes.
//!
//! Names, messages and media types come from registries and archives. They are data: before they reach
//! a terminal, a log or an error, they are shortened, and whatever could move the cursor, hide or reorder
//! what stands around them is written as an escape (R9).

use std::error::Error;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// The number of characters that [`sanitize`] keeps.
pub const SANITIZED_CHARS: usize = 120;

/// Text from outside, shortened; its `Display` and `Debug` contain printable characters only.
///
/// `Display` writes the text bare, `Debug` in quotes (with quotes and backslashes inside escaped).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sanitized {
    /// As it came, but no longer than was allowed.
    text: String,
    cut: bool,
}

/// Returns `text` in a form that is safe to print: escaped, and cut after [`SANITIZED_CHARS`] characters.
pub fn sanitize(text: &str) -> Sanitized {
    sanitize_up_to(text, SANITIZED_CHARS)
}

/// Returns `text` as [`sanitize`] does, but cut after `limit` characters.
pub fn sanitize_up_to(text: &str, limit: usize) -> Sanitized {
    match text.char_indices().nth(limit) {
        None => Sanitized {
            text: text.to_owned(),
            cut: false,
        },
        Some((end, _)) => Sanitized {
            text: text[..end].to_owned(),
            cut: true,
        },
    }
}

/// Returns `bytes` as [`sanitize`] does; bytes that are not UTF-8 become `\xNN`.
///
/// For paths in archives and values of headers.
pub fn sanitize_bytes(bytes: &[u8]) -> Sanitized {
    // No character takes more than four bytes: what lies behind cannot be shown anyway.
    let bytes = &bytes[..bytes.len().min(4 * (SANITIZED_CHARS + 1))];
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a String takes everything");
        }
    }
    sanitize(&text)
}

/// Returns `error` and its causes on one line, the outermost first.
///
/// A cause that only repeats the text before it is left out.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if next != last {
            text += ": ";
            text += &next;
        }
        last = next;
        cause = error.source();
    }
    text
}

impl fmt::Display for Sanitized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.text.chars() {
            match character {
                '"' | '\'' | '\\' => f.write_char(character)?,
                other => write!(f, "{}", other.escape_debug())?,
            }
        }
        f.write_str(self.ellipsis())
    }
}

impl fmt::Debug for Sanitized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.text.chars() {
            match character {
                '\'' => f.write_char(character)?,
                other => write!(f, "{}", other.escape_debug())?,
            }
        }
        write!(f, "{}\"", self.ellipsis())
    }
}

impl Sanitized {
    fn ellipsis(&self) -> &'static str {
        if self.cut { "…" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_ordinary_text_alone() {
        assert_eq!(
            sanitize("library/alpine:3.20").to_string(),
            "library/alpine:3.20"
        );
        assert_eq!(
            sanitize("it's \"größer\" \\o/").to_string(),
            "it's \"größer\" \\o/"
        );
        assert_eq!(format!("{:?}", sanitize("it's \"x\"")), r#""it's \"x\"""#);
    }

    /// R9: nothing that steers a terminal or reorders a line survives.
    #[test]
    fn escapes_what_is_not_printable() {
        let text = "a\x1b[2J\r\nb\u{9b}c\u{202e}d\u{200b}e\u{2028}f\0";
        let expected = r"a\u{1b}[2J\r\nb\u{9b}c\u{202e}d\u{200b}e\u{2028}f\0";
        assert_eq!(sanitize(text).to_string(), expected);
        assert_eq!(format!("{:?}", sanitize(text)), format!("\"{expected}\""));
    }

    #[test]
    fn cuts_long_text() {
        assert_eq!(sanitize_up_to("äöü", 3).to_string(), "äöü");
        assert_eq!(sanitize_up_to("äöü!", 3).to_string(), "äöü…");
        assert_eq!(format!("{:?}", sanitize_up_to("abcd", 3)), "\"abc…\"");
        assert_eq!(
            sanitize(&"x".repeat(1 << 20)).to_string().len(),
            SANITIZED_CHARS + "…".len()
        );
    }

    #[test]
    fn shows_bytes_that_are_not_text() {
        assert_eq!(
            sanitize_bytes(b"usr/b\xffin/\x1b").to_string(),
            r"usr/b\xffin/\u{1b}"
        );
        assert_eq!(sanitize_bytes("größer".as_bytes()).to_string(), "größer");
        let long = sanitize_bytes(&vec![0xff; 1 << 20]).to_string();
        assert_eq!(long.chars().count(), SANITIZED_CHARS + 1);
    }
}
