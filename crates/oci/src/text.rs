//! Text from outside, made safe to print.
//!
//! Names, messages and media types come from registries and archives and are untrusted. Before they are printed to a
//! terminal, a log or an error message, they are shortened, and characters that could move the cursor, or hide or
//! reorder the text around them, are escaped (R9).

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// The number of characters that [`sanitize`] keeps.
pub const SANITIZED_CHARS: usize = 120;

/// Text from outside, shortened; its `Display` and `Debug` output has printable characters only.
///
/// `Display` writes the text without quotes, `Debug` in quotes (with quotes and backslashes inside escaped).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sanitized {
    /// The unescaped text, shortened.
    text: String,
    is_shortened: bool,
}

/// Returns `text` in a form that is safe to print: escaped, and shortened to [`SANITIZED_CHARS`] characters.
pub fn sanitize(text: &str) -> Sanitized {
    sanitize_up_to(text, SANITIZED_CHARS)
}

/// Returns `text` as [`sanitize`] does, but shortened to `limit` characters.
pub fn sanitize_up_to(text: &str, limit: usize) -> Sanitized {
    match text.char_indices().nth(limit) {
        None => Sanitized {
            text: text.to_owned(),
            is_shortened: false,
        },
        Some((end, _)) => Sanitized {
            text: text[..end].to_owned(),
            is_shortened: true,
        },
    }
}

/// Returns `bytes` as [`sanitize`] does; bytes that are not UTF-8 become `\xNN`.
///
/// For paths in archives and values of headers.
pub fn sanitize_bytes(bytes: &[u8]) -> Sanitized {
    // A character has at most four bytes, so later bytes are cut off anyway.
    let bytes = &bytes[..bytes.len().min(4 * (SANITIZED_CHARS + 1))];
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("writing to a String does not fail");
        }
    }
    sanitize(&text)
}

/// Returns `text` on one line: every character that is not printable is replaced by its escape, such as `\n` or
/// `\u{1b}` (R9).
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_printable(character) {
            safe.push(character);
        } else {
            safe.extend(character.escape_debug());
        }
    }
    Cow::Owned(safe)
}

/// Returns at most `width` characters of `text`; a truncated text ends in `…`.
pub fn truncate(text: &str, width: usize) -> Cow<'_, str> {
    if text.chars().count() <= width {
        return Cow::Borrowed(text);
    }
    let prefix: String = text.chars().take(width.saturating_sub(1)).collect();
    Cow::Owned(format!("{prefix}…"))
}

/// Returns `json` with an escape in place of every character that could steer a terminal (R9). Its value stays the same.
///
/// A JSON serializer escapes the control characters of ASCII except DEL. Other characters than those of ASCII occur in
/// strings only, where a `\u` escape is valid.
pub fn escape_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if character < '\u{7f}' || is_printable(character) {
            safe.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(safe, "\\u{unit:04x}").expect("writing to a String cannot fail");
        }
    }
    safe
}

/// Returns whether `character` is printed as itself: it neither steers a terminal nor hides or reorders text.
pub fn is_printable(character: char) -> bool {
    // `escape_debug` also escapes quotes and backslashes, which are harmless.
    matches!(character, '"' | '\'' | '\\') || character.escape_debug().len() == 1
}

/// Returns `error` and its causes on one line, the outermost first.
///
/// A cause with the same text as the error before it is omitted.
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
        if self.is_shortened { "…" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_unchanged() {
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

    /// R9
    #[test]
    fn control_and_formatting_characters_are_escaped() {
        let text = "a\x1b[2J\r\nb\u{9b}c\u{202e}d\u{200b}e\u{2028}f\0";
        let expected = r"a\u{1b}[2J\r\nb\u{9b}c\u{202e}d\u{200b}e\u{2028}f\0";
        assert_eq!(sanitize(text).to_string(), expected);
        assert_eq!(format!("{:?}", sanitize(text)), format!("\"{expected}\""));
    }

    /// R9: neither a title change, a colour, a new line nor reordered text remains.
    #[test]
    fn whole_texts_are_escaped() {
        assert_eq!(
            escape("a\x1b]0;owned\x07\nb\r\tc\u{9b}31m\u{202e}txt\u{2028}\u{7f}é\"'\\"),
            r#"a\u{1b}]0;owned\u{7}\nb\r\tc\u{9b}31m\u{202e}txt\u{2028}\u{7f}é"'\"#
        );
        assert!(matches!(escape("plain – \"ünïcode\""), Cow::Borrowed(_)));
    }

    /// R9: the JSON has the same value for a parser.
    #[test]
    fn json_is_escaped_without_a_change_of_its_value() {
        let value = "\x1b[31m\u{9b}31m\u{202e}é\n\u{7f}";
        let json = escape_json(&serde_json::to_string(value).unwrap());
        assert_eq!(json, r#""\u001b[31m\u009b31m\u202eé\n\u007f""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
    }

    #[test]
    fn long_text_is_shortened() {
        assert_eq!(sanitize_up_to("äöü", 3).to_string(), "äöü");
        assert_eq!(sanitize_up_to("äöü!", 3).to_string(), "äöü…");
        assert_eq!(format!("{:?}", sanitize_up_to("abcd", 3)), "\"abc…\"");
        assert_eq!(
            sanitize(&"x".repeat(1 << 20)).to_string().len(),
            SANITIZED_CHARS + "…".len()
        );
    }

    #[test]
    fn truncated_text_ends_in_an_ellipsis() {
        assert_eq!(truncate("abcdef", 6), "abcdef");
        assert_eq!(truncate("abcdef", 5), "abcd…");
        assert_eq!(truncate("äöüäöü", 3), "äö…");
        assert_eq!(truncate("abc", 0), "…");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_escaped() {
        assert_eq!(
            sanitize_bytes(b"usr/b\xffin/\x1b").to_string(),
            r"usr/b\xffin/\u{1b}"
        );
        assert_eq!(sanitize_bytes("größer".as_bytes()).to_string(), "größer");
        let long = sanitize_bytes(&vec![0xff; 1 << 20]).to_string();
        assert_eq!(long.chars().count(), SANITIZED_CHARS + 1);
    }
}
