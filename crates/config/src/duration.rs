//! Lengths of time as Go writes them: `300ms`, `1h15m`, `1.5s`; and days and weeks, `7d`, `2w`.

use std::time::Duration;

/// Go keeps durations in an `i64` of nanoseconds.
const MOST_NANOSECONDS: u128 = i64::MAX as u128;

/// Longer names first, so that `ms` is not read as `m`.
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

/// Of 24 hours, in nanoseconds.
const DAY: u128 = 86_400_000_000_000;

/// Why a text is not a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationProblem {
    /// It is not written as one.
    #[error("expected a length of time such as \"10s\", \"300ms\", \"1m30s\" or \"7d\"")]
    Form,
    /// It is not written as one that other programs read, too.
    #[error("expected a length of time such as \"10s\", \"300ms\" or \"1m30s\"")]
    GoForm,
    /// It lies in the past.
    #[error("a length of time cannot be negative")]
    Negative,
    /// It is zero, which would never leave any time.
    #[error("a length of time cannot be zero here")]
    Zero,
    /// It is longer than 292 years.
    #[error("the length of time is too long")]
    TooLong,
}

/// Parses a length of time as Go's `time.ParseDuration` does, except that it must not be negative, and that there
/// are days and weeks: `10s`, `1m30s`, `7d`. Only 0 needs no unit.
///
/// # Errors
/// If it is anything else, or longer than 292 years.
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

/// Parses a length of time that Go reads, too.
pub(crate) fn parse_go(text: &str) -> Result<Duration, DurationProblem> {
    // None of its units has these letters.
    let duration = match text.contains(['d', 'w']) {
        true => Err(DurationProblem::Form),
        false => parse_duration(text),
    };
    duration.map_err(|problem| match problem {
        DurationProblem::Form => DurationProblem::GoForm,
        other => other,
    })
}

/// Parses a length of time as [`parse_duration`] does, which must not be zero.
///
/// # Errors
/// If it is zero, anything else, or longer than 292 years.
pub fn parse_positive_duration(text: &str) -> Result<Duration, DurationProblem> {
    let duration = parse_duration(text)?;
    match duration.is_zero() {
        true => Err(DurationProblem::Zero),
        false => Ok(duration),
    }
}

/// Returns the nanoseconds of a sum of numbers with units.
fn parse_sum(text: &str) -> Result<u128, DurationProblem> {
    if text == "0" {
        return Ok(0);
    }
    if text.is_empty() {
        return Err(DurationProblem::Form);
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
            return Err(DurationProblem::Form);
        }
        let end = behind.find(|c: char| c == '.' || c.is_ascii_digit());
        let (name, behind) = behind.split_at(end.unwrap_or(behind.len()));
        let unit = UNITS.iter().find(|(unit, _)| *unit == name);
        let (_, unit) = unit.ok_or(DurationProblem::Form)?;
        sum = sum
            .checked_add(nanoseconds(whole, fraction, *unit)?)
            .filter(|sum| *sum <= MOST_NANOSECONDS)
            .ok_or(DurationProblem::TooLong)?;
        rest = behind;
    }
    Ok(sum)
}

fn nanoseconds(whole: &str, fraction: &str, unit: u128) -> Result<u128, DurationProblem> {
    let mut sum = 0_u128;
    for digit in whole.bytes() {
        sum = sum * 10 + u128::from(digit - b'0') * unit;
        if sum > MOST_NANOSECONDS {
            return Err(DurationProblem::TooLong);
        }
    }
    // Digits behind the nanosecond are cut.
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        sum += u128::from(digit - b'0') * place;
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
    fn reads_what_go_reads() {
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
    fn reads_days_and_weeks_which_go_does_not() {
        for (text, hours) in [("7d", 168), ("2w", 336), ("1w2d12h", 228), (".5d", 12)] {
            let expected = Duration::from_secs(hours * 3600);
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
            assert_eq!(parse_go(text), Err(DurationProblem::GoForm), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_length_of_time() {
        for text in [
            "", "3", "-", "+", "s", ".", ".s", "-.", "+.s", "1D", "5 s", "1s ", "1S", "1,5s",
            "ten", "1.2.3s", "--1s", "+-1s", "-+1s", "+-0", "1e3s", "7days", "1y", "1M",
        ] {
            assert_eq!(parse_duration(text), Err(DurationProblem::Form), "{text}");
            assert_eq!(parse_go(text), Err(DurationProblem::GoForm), "{text}");
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
