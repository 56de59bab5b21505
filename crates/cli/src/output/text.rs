//! Text from elsewhere, made harmless before it reaches a terminal, a log or a table (R9).

use std::borrow::Cow;

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

    #[test]
    fn what_is_cut_shows() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdef", 5), "abcd…");
        assert_eq!(shortened("äöüäöü", 3), "äö…");
        assert_eq!(shortened("abc", 0), "…");
    }
}
