//! Text from elsewhere, made harmless before it reaches a terminal, a log or a table (R9).

use std::borrow::Cow;

/// Returns `text` on one line, with everything that could steer a terminal, hide or reorder what stands
/// around it spelled out, as `\n` or `\u{1b}`.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_harmless(character) {
            safe.push(character);
        } else {
            safe.extend(character.escape_debug());
        }
    }
    Cow::Owned(safe)
}

/// Tells whether `character` prints as itself and nothing else.
pub(crate) fn is_harmless(character: char) -> bool {
    // Quotes and backslashes are escaped in Rust's strings only.
    matches!(character, '"' | '\'' | '\\') || character.escape_debug().len() == 1
}

/// Returns at most `width` characters of `text`; what is cut shows as `…`.
pub(crate) fn shortened(text: &str, width: usize) -> Cow<'_, str> {
    if text.chars().count() <= width {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    Cow::Owned(format!("{kept}…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R9: neither a title change, a colour, a new line nor reordered text gets through.
    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        assert_eq!(
            harmless("a\x1b]0;owned\x07\nb\r\tc\u{9b}31m\u{202e}txt\u{2028}\u{7f}é\"'\\"),
            r#"a\u{1b}]0;owned\u{7}\nb\r\tc\u{9b}31m\u{202e}txt\u{2028}\u{7f}é"'\"#
        );
        assert!(matches!(harmless("plain – \"ünïcode\""), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_cut_shows() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdef", 5), "abcd…");
        assert_eq!(shortened("äöüäöü", 3), "äö…");
        assert_eq!(shortened("abc", 0), "…");
    }
}
