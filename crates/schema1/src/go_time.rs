//! Times as Go reads and writes them in JSON.
//!
//! Go parses a time in RFC 3339 and writes it in the same zone, without trailing zeros in the fraction, and with `Z` for
//! a zero offset.

/// Go's zero time, which it writes for a time that was not set.
pub(crate) const ZERO: &str = "0001-01-01T00:00:00Z";

/// Returns `text` as Go writes it after parsing it; `None` if it is not a time.
///
/// Fractions have at most nine digits. Leap seconds are rejected, as by Go.
pub(crate) fn rewrite(text: &str) -> Option<String> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let [year, month, day, hour, minute, second] =
        numbers(date_time, [4, 2, 2, 2, 2, 2], *b"--T::")?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    if !is_time || day == 0 || day > days_in(year, month)? {
        return None;
    }
    let (fraction, zone) = split_fraction(rest)?;
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!(
        "{date_time}{point}{fraction}{}",
        rewrite_zone(zone)?
    ))
}

/// Splits off the digits of the fraction, which may be missing.
fn split_fraction(text: &str) -> Option<(&str, &str)> {
    let Some(rest) = text.strip_prefix('.') else {
        return Some(("", text));
    };
    let is_other = |character: char| !character.is_ascii_digit();
    let end = rest.find(is_other).unwrap_or(rest.len());
    (1..=9).contains(&end).then(|| rest.split_at(end))
}

fn rewrite_zone(zone: &str) -> Option<&str> {
    if zone == "Z" {
        return Some(zone);
    }
    let offset = zone.strip_prefix(['+', '-'])?;
    let [hours, minutes] = numbers(offset, [2, 2], *b":")?;
    let is_offset = hours < 24 && minutes < 60;
    is_offset.then_some(if hours + minutes == 0 { "Z" } else { zone })
}

/// Parses numbers with exactly these widths, separated by exactly these characters.
fn numbers<const N: usize, const BETWEEN: usize>(
    text: &str,
    widths: [usize; N],
    between: [u8; BETWEEN],
) -> Option<[u32; N]> {
    let mut rest = text.as_bytes();
    let mut numbers = [0; N];
    for (place, width) in widths.into_iter().enumerate() {
        if let Some(before) = place.checked_sub(1) {
            rest = rest.strip_prefix(&[between[before]])?;
        }
        let (digits, behind) = rest.split_at_checked(width)?;
        for digit in digits {
            let value = char::from(*digit).to_digit(10)?;
            numbers[place] = numbers[place] * 10 + value;
        }
        rest = behind;
    }
    rest.is_empty().then_some(numbers)
}

fn days_in(year: u32, month: u32) -> Option<u32> {
    let is_leap = year.is_multiple_of(if year.is_multiple_of(100) { 400 } else { 4 });
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if is_leap => Some(29),
        2 => Some(28),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_zeros_and_zero_offsets_are_removed() {
        for (read, written) in [
            ("2016-02-29T23:59:59Z", "2016-02-29T23:59:59Z"),
            ("2016-03-04T05:06:07.120300Z", "2016-03-04T05:06:07.1203Z"),
            ("2016-03-04T05:06:07.000Z", "2016-03-04T05:06:07Z"),
            ("2016-03-04T05:06:07.5+00:00", "2016-03-04T05:06:07.5Z"),
            ("2016-03-04T05:06:07-00:00", "2016-03-04T05:06:07Z"),
            (
                "2000-02-29T00:00:00.123456789-11:30",
                "2000-02-29T00:00:00.123456789-11:30",
            ),
            ("0000-12-31T00:00:00+00:01", "0000-12-31T00:00:00+00:01"),
            (ZERO, ZERO),
        ] {
            assert_eq!(rewrite(read).as_deref(), Some(written), "{read}");
        }
    }

    #[test]
    fn malformed_times_are_rejected() {
        for text in [
            "",
            "x",
            "2016-03-04",
            "2016-03-04T05:06:07",
            "2016-03-04 05:06:07Z",
            "2016-03-04t05:06:07z",
            "2016-03-04T05:06:07.Z",
            "2016-03-04T05:06:07,5Z",
            "2016-03-04T05:06:07.1234567890Z",
            "2016-03-04T05:06:07Z ",
            "2016-03-04T05:06:07+0100",
            "2016-03-04T05:06:07+24:00",
            "2016-03-04T05:06:07+01:60",
            "2016-03-04T05:06:60Z",
            "2016-03-04T05:60:00Z",
            "2016-03-04T24:00:00Z",
            "2016-00-04T00:00:00Z",
            "2016-13-04T00:00:00Z",
            "2016-04-31T00:00:00Z",
            "2016-04-00T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "+016-03-04T00:00:00Z",
            "2016-03-04T05:06:0\u{661}Z",
        ] {
            assert_eq!(rewrite(text), None, "{text}");
        }
    }
}
