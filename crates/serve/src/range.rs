//! Byte ranges (RFC 9110, 14).

use std::ops::Range;

/// The part of a body that a `Range` header requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RangeSelection {
    /// The whole body: there is no range, there are several, or it is malformed. A server may ignore the latter two.
    Whole,
    /// At least one byte of the body.
    Bytes(Range<u64>),
    /// Bytes beyond the end of the body.
    Unsatisfiable,
}

impl RangeSelection {
    /// Parses a `Range` header for a body of `size` bytes.
    pub(crate) fn of(header: Option<&str>, size: u64) -> Self {
        match header.and_then(|header| parse(header, size)) {
            None => Self::Whole,
            Some(range) if range.is_empty() => Self::Unsatisfiable,
            Some(range) => Self::Bytes(range),
        }
    }
}

fn parse(header: &str, size: u64) -> Option<Range<u64>> {
    let (unit, range) = header.split_once('=')?;
    let (first, last) = range.trim_matches([' ', '\t']).split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    match (position(first)?, position(last)?) {
        (Some(first), Some(last)) if first > last => None,
        (Some(first), Some(last)) => Some(first..last.saturating_add(1).min(size)),
        (Some(first), None) => Some(first..size),
        (None, Some(suffix)) => Some(size.saturating_sub(suffix)..size),
        (None, None) => None,
    }
}

/// Parses digits, or no digits at all. A number that does not fit is larger than every body.
#[expect(clippy::option_option, reason = "malformed, or absent")]
fn position(text: &str) -> Option<Option<u64>> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::RangeSelection::{self, Bytes, Unsatisfiable, Whole};

    #[test]
    fn ranges_are_parsed_by_rfc_9110() {
        let cases = [
            (None, Whole),
            (Some("bytes=0-"), Bytes(0..10)),
            (Some("Bytes=3-4"), Bytes(3..5)),
            (Some("bytes= 3-4"), Bytes(3..5)),
            (Some("bytes=3-99"), Bytes(3..10)),
            (Some("bytes=0-99999999999999999999"), Bytes(0..10)),
            (Some("bytes=-4"), Bytes(6..10)),
            (Some("bytes=-99"), Bytes(0..10)),
            (Some("bytes=10-"), Unsatisfiable),
            (Some("bytes=99999999999999999999-"), Unsatisfiable),
            (Some("bytes=-0"), Unsatisfiable),
            (Some("bytes=5-4"), Whole),
            (Some("bytes=0-1,3-4"), Whole),
            (Some("bytes=+1-2"), Whole),
            (Some("bytes=-"), Whole),
            (Some("bytes"), Whole),
            (Some("lines=1-2"), Whole),
        ];
        for (header, part) in cases {
            assert_eq!(RangeSelection::of(header, 10), part, "{header:?}");
        }
        assert_eq!(RangeSelection::of(Some("bytes=0-"), 0), Unsatisfiable);
        assert_eq!(RangeSelection::of(Some("bytes=-5"), 0), Unsatisfiable);
    }
}
