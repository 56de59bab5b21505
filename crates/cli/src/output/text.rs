//! Truncation of text to a width.

use std::borrow::Cow;

/// Returns at most `width` characters of `text`; a truncated text ends in `…`.
pub(crate) fn truncated(text: &str, width: usize) -> Cow<'_, str> {
    if text.chars().count() <= width {
        return Cow::Borrowed(text);
    }
    let prefix: String = text.chars().take(width.saturating_sub(1)).collect();
    Cow::Owned(format!("{prefix}…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_text_ends_in_an_ellipsis() {
        assert_eq!(truncated("abcdef", 6), "abcdef");
        assert_eq!(truncated("abcdef", 5), "abcd…");
        assert_eq!(truncated("äöüäöü", 3), "äö…");
        assert_eq!(truncated("abc", 0), "…");
    }
}
