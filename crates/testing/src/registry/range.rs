//! Byte ranges (RFC 9110, section 14), served correctly or not.

use std::ops::Range;

/// The range that a `Range` header requests of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestedRange {
    /// The whole body: no range, or one that a server may ignore.
    Whole,
    /// Part of the body.
    Part(Range<u64>),
    /// A range outside of the body.
    Unsatisfiable,
}

/// A wrong response to a request with a `Range` (T32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeFault {
    /// 200 with the whole body, as servers without support for ranges respond.
    Ignored,
    /// 206 with bytes that start one byte too late, and a correct `Content-Range` for them.
    StartsLate,
    /// 206 with the requested `Content-Range`, and the bytes from the start of the body.
    FromTheStart,
    /// 206 without a `Content-Range`.
    Unlabelled,
    /// 206 with another total size in `Content-Range`.
    OtherTotal,
    /// 206 with two parts, `multipart/byteranges`.
    Multipart,
    /// 206 with only half of the range, and a correct `Content-Range` for it.
    Shorter,
    /// 416, although the range exists.
    Unsatisfiable,
}

impl RequestedRange {
    /// Parses a `Range` header for a body of `size` bytes.
    pub(super) fn parse(header: Option<&str>, size: u64) -> Self {
        let Some(ranges) = header.and_then(|header| header.strip_prefix("bytes=")) else {
            return Self::Whole;
        };
        let Some((first, last)) = ranges.split_once('-') else {
            return Self::Whole;
        };
        let range = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
            (Ok(first), Err(_)) if last.is_empty() => first..size,
            (Err(_), Ok(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
            _ => return Self::Whole,
        };
        if range.is_empty() {
            Self::Unsatisfiable
        } else {
            Self::Part(range)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RequestedRange::{self, Part, Unsatisfiable, Whole};

    #[test]
    fn a_range_is_parsed_as_in_rfc_9110() {
        let cases = [
            (None, Whole),
            (Some("bytes=0-"), Part(0..10)),
            (Some("bytes=3-"), Part(3..10)),
            (Some("bytes=3-4"), Part(3..5)),
            (Some("bytes=3-99"), Part(3..10)),
            (Some("bytes=-4"), Part(6..10)),
            (Some("bytes=-99"), Part(0..10)),
            (Some("bytes=10-"), Unsatisfiable),
            (Some("bytes=-0"), Unsatisfiable),
            (Some("bytes=5-4"), Whole),
            (Some("bytes=0-1,3-4"), Whole),
            (Some("lines=1-2"), Whole),
            (Some("bytes=x-"), Whole),
        ];
        for (header, wanted) in cases {
            assert_eq!(RequestedRange::parse(header, 10), wanted, "{header:?}");
        }
    }
}
