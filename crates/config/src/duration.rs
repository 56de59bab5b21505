//! Lengths of time in the format of Go: `300ms`, `1h15m`, `1.5s`; and days and weeks, `7d`, `2w`.
//!
//! containerd's `hosts.toml` has this format. `docs/decisions/0017-durations-are-gos.md` has the reasons why no library
//! parses it.

use std::time::Duration;

/// Go's durations are an `i64` of nanoseconds.
const MAX_NANOSECONDS: u128 = i64::MAX as u128;

/// The units, and their lengths in nanoseconds.
const UNITS: [(&str, u128); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", DAY),
    ("w", 7 * DAY),
];

/// The nanoseconds of 24 hours.
const DAY: u128 = 86_400_000_000_000;

/// Why a text is not a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationProblem {
    /// The text has another format.
    #[error("expected a length of time such as \"10s\", \"300ms\", \"1m30s\" or \"7d\"")]
    Format,
    /// The text has another format, in a file that programs in Go read, too.
    #[error("expected a length of time such as \"10s\", \"300ms\" or \"1m30s\"")]
    GoFormat,
    /// It is negative.
    #[error("a length of time cannot be negative")]
    Negative,
    /// It is zero where it must not be.
    #[error("a length of time cannot be zero here")]
    Zero,
    /// It is longer than 292 years.
    #[error("the length of time is too long")]
    TooLong,
}

/// Parses a length of time as Go's `time.ParseDuration` does, except that negative values are errors, and that days
/// and weeks are accepted: `10s`, `1m30s`, `7d`. Only 0 needs no unit.
///
/// # Errors
/// If the text has another format, or the time is longer than 292 years.
pub fn parse_duration(text: &str) -> Result<Duration, DurationProblem> {
    if let Some(positive) = text.strip_prefix('-') {
        return match parse_sum(positive)? {
            0 => Ok(Duration::ZERO),
            _ => Err(DurationProblem::Negative),
        };
    }
    let nanoseconds = parse_sum(text.strip_prefix('+').unwrap_or(text))?;
    let nanoseconds = u64::try_from(nanoseconds).map_err(|_| DurationProblem::TooLong)?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// Parses a length of time as Go does, without days and weeks.
pub(crate) fn parse_go(text: &str) -> Result<Duration, DurationProblem> {
    // No other unit has these letters.
    let duration = match text.contains(['d', 'w']) {
        true => Err(DurationProblem::Format),
        false => parse_duration(text),
    };
    duration.map_err(|problem| match problem {
        DurationProblem::Format => DurationProblem::GoFormat,
        other => other,
    })
}

/// Parses a length of time as [`parse_duration`] does, except that zero is an error.
///
/// # Errors
/// If the text has another format, or the time is zero or longer than 292 years.
pub fn parse_positive_duration(text: &str) -> Result<Duration, DurationProblem> {
    let duration = parse_duration(text)?;
    match duration.is_zero() {
        true => Err(DurationProblem::Zero),
        false => Ok(duration),
    }
}

/// Returns a length of time in the largest unit that leaves a whole number, so that [`parse_duration`] parses the same
/// again.
pub fn shown_duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let units = [("d", DAY), ("h", 3_600_000_000_000), ("m", 60_000_000_000)];
    let units = units
        .into_iter()
        .chain([("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)]);
    let mut exact = units.filter(|(_, unit)| nanoseconds.is_multiple_of(*unit));
    match exact.next() {
        Some((name, unit)) if nanoseconds > 0 => format!("{}{name}", nanoseconds / unit),
        _ if nanoseconds == 0 => "0s".to_owned(),
        _ => format!("{nanoseconds}ns"),
    }
}

/// Returns the nanoseconds of a sum of numbers with units.
fn parse_sum(text: &str) -> Result<u128, DurationProblem> {
    if text == "0" {
        return Ok(0);
    }
    if text.is_empty() {
        return Err(DurationProblem::Format);
    }
    let mut rest = text;
    let mut sum = 0_u128;
    while !rest.is_empty() {
        let (whole, behind) = digits(rest);
        let (fraction, behind) = match behind.strip_prefix('.') {
            Some(behind) => digits(behind),
            None => ("", behind),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(DurationProblem::Format);
        }
        let end = behind.find(|c: char| c == '.' || c.is_ascii_digit());
        let (name, behind) = behind.split_at(end.unwrap_or(behind.len()));
        let unit = UNITS.iter().find(|(unit, _)| *unit == name);
        let (_, unit) = unit.ok_or(DurationProblem::Format)?;
        sum = sum
            .checked_add(nanoseconds(whole, fraction, *unit)?)
            .filter(|sum| *sum <= MAX_NANOSECONDS)
            .ok_or(DurationProblem::TooLong)?;
        rest = behind;
    }
    Ok(sum)
}

fn nanoseconds(whole: &str, fraction: &str, unit: u128) -> Result<u128, DurationProblem> {
    let mut sum = 0_u128;
    for digit in whole.bytes() {
        sum = sum * 10 + u128::from(digit - b'0') * unit;
        if sum > MAX_NANOSECONDS {
            return Err(DurationProblem::TooLong);
        }
    }
    // Fractions of a nanosecond are dropped.
    let mut digit_unit = unit;
    for digit in fraction.bytes() {
        digit_unit /= 10;
        sum += u128::from(digit - b'0') * digit_unit;
    }
    Ok(sum)
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_format_of_go() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("30s", 30_000_000_000),
            ("1478s", 1_478_000_000_000),
            ("5.0s", 5_000_000_000),
            ("5.6s", 5_600_000_000),
            ("5.s", 5_000_000_000),
            (".5s", 500_000_000),
            ("1.004s", 1_004_000_000),
            ("10ns", 10),
            ("11us", 11_000),
            ("12\u{b5}s", 12_000),
            ("12\u{3bc}s", 12_000),
            ("13ms", 13_000_000),
            ("14s", 14_000_000_000),
            ("15m", 900_000_000_000),
            ("16h", 57_600_000_000_000),
            ("3h30m", 12_600_000_000_000),
            ("10.5s4m", 250_500_000_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            ("9223372036854775807ns", 9_223_372_036_854_775_807),
        ] {
            let expected = Ok(Duration::from_nanos(nanoseconds));
            assert_eq!(parse_duration(text), expected, "{text}");
            assert_eq!(parse_go(text), expected, "{text}");
        }
    }

    #[test]
    fn parses_days_and_weeks_which_go_does_not() {
        for (text, hours) in [("7d", 168), ("2w", 336), ("1w2d12h", 228), (".5d", 12)] {
            let expected = Duration::from_secs(hours * 3600);
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
            assert_eq!(parse_go(text), Err(DurationProblem::GoFormat), "{text}");
        }
    }

    #[test]
    fn shows_the_largest_exact_unit() {
        let shown = [0, 10, 11_000, 300_000_000, 1_500_000_000, 90_000_000_000]
            .map(|nanoseconds| shown_duration(Duration::from_nanos(nanoseconds)));
        assert_eq!(shown, ["0s", "10ns", "11us", "300ms", "1500ms", "90s"]);
        let shown = [1, 60, 3600, 86_400, 604_800].map(|s| shown_duration(Duration::from_secs(s)));
        assert_eq!(shown, ["1s", "1m", "1h", "1d", "7d"]);
    }

    #[test]
    fn refuses_other_formats() {
        for text in [
            "", "3", "-", "+", "s", ".", ".s", "-.", "+.s", "1D", "5 s", "1s ", "1S", "1,5s",
            "ten", "1.2.3s", "--1s", "+-1s", "-+1s", "+-0", "1e3s", "7days", "1y", "1M",
        ] {
            assert_eq!(parse_duration(text), Err(DurationProblem::Format), "{text}");
            assert_eq!(parse_go(text), Err(DurationProblem::GoFormat), "{text}");
        }
        assert_eq!(parse_duration("-1s"), Err(DurationProblem::Negative));
        let long = format!("{}h", "9".repeat(1000));
        for text in ["9223372036854775808ns", "15251w", &long] {
            assert_eq!(
                parse_duration(text),
                Err(DurationProblem::TooLong),
                "{text:.20}"
            );
        }
        assert_eq!(parse_positive_duration("0s"), Err(DurationProblem::Zero));
    }
}
