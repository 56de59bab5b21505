//! Modification times.

use super::number::decimal;

/// A modification time, relative to the Unix epoch. Nanoseconds are added to the seconds, also before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timestamp {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

impl Timestamp {
    /// Parses the time of a PAX record: seconds with an optional sign and fraction. Digits beyond nanoseconds
    /// are ignored.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (is_negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let dot = text.iter().position(|&byte| byte == b'.');
        let (whole, fraction) = match dot {
            Some(dot) => (&text[..dot], &text[dot + 1..]),
            None => (text, &[][..]),
        };
        let seconds = i64::try_from(decimal(whole)?).ok()?;
        let nanoseconds = parse_nanoseconds(fraction)?;
        Some(match (is_negative, nanoseconds) {
            (false, _) => Self {
                seconds,
                nanoseconds,
            },
            (true, 0) => Self {
                seconds: -seconds,
                nanoseconds,
            },
            // Nanoseconds count from the previous whole second.
            (true, _) => Self {
                seconds: -seconds - 1,
                nanoseconds: 1_000_000_000 - nanoseconds,
            },
        })
    }
}

fn parse_nanoseconds(fraction: &[u8]) -> Option<u32> {
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0'));
    Some(
        digits
            .take(9)
            .fold(0, |number, digit| number * 10 + u32::from(digit - b'0')),
    )
}
