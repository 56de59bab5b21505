//! The numbers of headers and PAX records. They are parsed exactly or rejected (hardening T10).

/// Parses a header field: octal digits, or a binary number if its first bit is set.
pub(super) fn unsigned(field: &[u8]) -> Option<u64> {
    signed_wide(field).and_then(|number| u64::try_from(number).ok())
}

/// Like [`unsigned`], but a binary number may be negative.
pub(super) fn signed(field: &[u8]) -> Option<i64> {
    signed_wide(field).and_then(|number| i64::try_from(number).ok())
}

/// Returns `number` if it is a user or group ID. All ones is none: `chown` interprets it as "unchanged".
pub(super) fn owner(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|&id| id != u32::MAX)
}

/// Returns `number` if it is a file size, which is limited by the system's `off_t`.
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

fn signed_wide(field: &[u8]) -> Option<i128> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => binary(field),
        _ => octal(field).map(i128::from),
    }
}

/// Parses GNU's binary form: the bits after the first one are a big-endian number in two's complement.
fn binary(field: &[u8]) -> Option<i128> {
    let is_negative = field[0] & 0x40 != 0;
    let first = if is_negative {
        field[0]
    } else {
        field[0] & 0x7f
    };
    let sign = if is_negative { 0xff } else { 0 };
    // A field has at most 12 bytes, so 16 are enough.
    let mut wide = [sign; 16];
    let start = wide.len().checked_sub(field.len())?;
    wide[start] = first;
    wide[start + 1..].copy_from_slice(&field[1..]);
    Some(i128::from_be_bytes(wide))
}

/// Parses octal digits between spaces and NULs. A blank field is zero, as in Go.
fn octal(field: &[u8]) -> Option<u64> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(start) = field.iter().position(|byte| !is_blank(byte)) else {
        return Some(0);
    };
    let digits = &field[start..];
    let end = digits.iter().position(is_blank).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    // Any bytes may follow a NUL; only blanks may follow a space.
    let rest = rest.split(|&byte| byte == 0).next().unwrap_or_default();
    if !rest.iter().all(is_blank) {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &digit| {
        let digit = matches!(digit, b'0'..=b'7').then(|| u64::from(digit - b'0'))?;
        number.checked_mul(8)?.checked_add(digit)
    })
}
