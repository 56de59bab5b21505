//! The numbers of headers and PAX records: exact, or refused (hardening T10).

use super::entry::Time;

/// Parses a field that holds octal digits, or a binary number if its first bit is set.
pub(super) fn unsigned(field: &[u8]) -> Option<u64> {
    signed_wide(field).and_then(|number| u64::try_from(number).ok())
}

/// As [`unsigned`], and the binary form may be negative.
pub(super) fn signed(field: &[u8]) -> Option<i64> {
    signed_wide(field).and_then(|number| i64::try_from(number).ok())
}

/// A user or group: all ones is no ID, but "leave it" to the kernel.
pub(super) fn owner(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|&id| id != u32::MAX)
}

/// A size: no file can be longer than the system's offsets reach.
pub(super) fn size(number: u64) -> Option<u64> {
    i64::try_from(number).is_ok().then_some(number)
}

/// Parses the decimal digits of a PAX record.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Parses a PAX time: seconds with an optional sign and fraction. Digits below nanoseconds are cut off.
pub(super) fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let dot = text.iter().position(|&byte| byte == b'.');
    let (whole, fraction) = match dot {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &[][..]),
    };
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    let nanoseconds = nanoseconds(fraction)?;
    Some(match (negative, nanoseconds) {
        (false, _) => Time {
            seconds,
            nanoseconds,
        },
        (true, 0) => Time {
            seconds: -seconds,
            nanoseconds,
        },
        // Nanoseconds count up from the second before.
        (true, _) => Time {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}

fn nanoseconds(fraction: &[u8]) -> Option<u32> {
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

fn signed_wide(field: &[u8]) -> Option<i128> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => binary(field),
        _ => octal(field).map(i128::from),
    }
}

/// GNU's form: the bits behind the first are a big-endian number in two's complement.
fn binary(field: &[u8]) -> Option<i128> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let sign = if negative { 0xff } else { 0 };
    // Twelve bytes at most, so sixteen hold it.
    let mut wide = [sign; 16];
    let at = wide.len().checked_sub(field.len())?;
    wide[at] = first;
    wide[at + 1..].copy_from_slice(&field[1..]);
    Some(i128::from_be_bytes(wide))
}

/// Digits between spaces and NULs; none at all is zero, as in Go.
fn octal(field: &[u8]) -> Option<u64> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(start) = field.iter().position(|byte| !is_blank(byte)) else {
        return Some(0);
    };
    let digits = &field[start..];
    let end = digits.iter().position(is_blank).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    // Behind a NUL anything may stand; behind a space, only more blanks.
    let rest = rest.split(|&byte| byte == 0).next().unwrap_or_default();
    if !rest.iter().all(is_blank) {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &digit| {
        let digit = matches!(digit, b'0'..=b'7').then(|| u64::from(digit - b'0'))?;
        number.checked_mul(8)?.checked_add(digit)
    })
}
