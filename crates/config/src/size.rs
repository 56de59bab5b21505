//! Sizes in bytes, and rates in bytes per second.

use std::num::NonZeroU64;

/// The size of a unit in bits, which is a whole number for every unit.
type Bits = u128;

const BYTE: Bits = 8;

/// Units of bytes. A single letter is a power of 1024, as in curl.
const BYTE_UNITS: [(&str, Bits); 18] = [
    ("", BYTE),
    ("B", BYTE),
    ("kB", BYTE * 1000),
    ("KB", BYTE * 1000),
    ("MB", BYTE * 1000_u128.pow(2)),
    ("GB", BYTE * 1000_u128.pow(3)),
    ("TB", BYTE * 1000_u128.pow(4)),
    ("KiB", BYTE << 10),
    ("MiB", BYTE << 20),
    ("GiB", BYTE << 30),
    ("TiB", BYTE << 40),
    ("k", BYTE << 10),
    ("K", BYTE << 10),
    ("m", BYTE << 20),
    ("M", BYTE << 20),
    ("g", BYTE << 30),
    ("G", BYTE << 30),
    ("T", BYTE << 40),
];

/// Units of bits, which only rates have.
const BIT_UNITS: [(&str, Bits); 3] = [
    ("kbit", 1000),
    ("Mbit", 1000_u128.pow(2)),
    ("Gbit", 1000_u128.pow(3)),
];

/// The units of sizes in output, of which the first that leaves a whole number is used.
const OUTPUT_UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("TB", 1000_u64.pow(4)),
    ("GiB", 1 << 30),
    ("GB", 1000_u64.pow(3)),
    ("MiB", 1 << 20),
    ("MB", 1000_u64.pow(2)),
    ("KiB", 1 << 10),
    ("kB", 1000),
];

/// Why a text is not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeProblem {
    /// The text has another format.
    #[error("expected a size such as \"64KiB\", \"1.5GB\" or \"1048576\"")]
    Format,
    /// There is no such unit.
    #[error(
        "expected one of the units B, kB, MB, GB, TB, KiB, MiB, GiB or TiB after the number, as in \"16GiB\""
    )]
    Unit,
    /// It has a sign.
    #[error("a size has no sign: write it as in \"16GiB\"")]
    Sign,
    /// It is not zero and less than one byte.
    #[error("a size is 0 or at least one byte")]
    BelowOne,
    /// It is more than 2^64 - 1 bytes.
    #[error("the size is too large")]
    TooLarge,
    /// It is outside of a range.
    #[error("expected a size from {} to {}", shown_size(*min), shown_size(*max))]
    Range {
        /// The smallest accepted size in bytes.
        min: u64,
        /// The largest accepted size in bytes.
        max: u64,
    },
}

/// Why a text is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateProblem {
    /// The text has another format.
    #[error("expected bytes per second such as \"10MB\", \"1.5MiB\" or \"80Mbit\", or \"off\"")]
    Format,
    /// There is no such unit.
    #[error(
        "expected one of the units B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, kbit, Mbit or Gbit after the number, \
         as in \"10MB\" or \"80Mbit\""
    )]
    Unit,
    /// It has a sign.
    #[error("a rate has no sign: write it as in \"10MB\"")]
    Sign,
    /// It is not zero and less than one byte per second.
    #[error("a rate is at least one byte per second, or \"off\"")]
    BelowOne,
    /// It is more than 2^64 - 1 bytes per second.
    #[error("the rate is too large: write \"off\" for no limit")]
    TooLarge,
}

/// Returns a rate in the largest unit that leaves a whole number, so that [`parse_rate`] parses the same again.
pub fn shown_rate(limit: Option<NonZeroU64>) -> String {
    match limit {
        None => "off".to_owned(),
        Some(limit) => format!("{}/s", shown_size(limit.get())),
    }
}

/// Parses a size: a number, which may have a fraction, and a unit. Without a unit it is in bytes.
///
/// The units are `B`; `kB` (or `KB`), `MB`, `GB` and `TB` of 1000; `KiB`, `MiB`, `GiB` and `TiB` of 1024; and
/// as in curl `K`, `M`, `G` and `T` alone, also of 1024. Fractions of a byte are dropped.
///
/// # Errors
/// If the text has another format, or the size is less than a byte and not 0, or does not fit.
pub fn parse_size(text: &str) -> Result<u64, SizeProblem> {
    parse(text, &[&BYTE_UNITS])
}

/// Parses a rate in bytes per second: a size as [`parse_size`] parses it, or a number of `kbit`, `Mbit` or `Gbit`, with
/// or without `/s` at the end. `None` is no limit, which is written as `off` or 0.
///
/// # Errors
/// If the text has another format, or the rate is less than a byte per second and not 0, or does not fit.
pub fn parse_rate(text: &str) -> Result<Option<NonZeroU64>, RateProblem> {
    if text == "off" {
        return Ok(None);
    }
    let amount = text.strip_suffix("/s").unwrap_or(text);
    let bytes = parse(amount, &[&BYTE_UNITS, &BIT_UNITS]).map_err(|problem| match problem {
        SizeProblem::Format | SizeProblem::Range { .. } => RateProblem::Format,
        SizeProblem::Unit => RateProblem::Unit,
        SizeProblem::Sign => RateProblem::Sign,
        SizeProblem::BelowOne => RateProblem::BelowOne,
        SizeProblem::TooLarge => RateProblem::TooLarge,
    })?;
    Ok(NonZeroU64::new(bytes))
}

/// Returns a size in the largest unit that leaves a whole number, so that [`parse_size`] parses the same again.
pub fn shown_size(bytes: u64) -> String {
    let fits = |(_, unit): &&(&str, u64)| bytes >= *unit && bytes.is_multiple_of(*unit);
    match OUTPUT_UNITS.iter().find(fits) {
        None => format!("{bytes}B"),
        Some((name, unit)) => format!("{}{name}", bytes / unit),
    }
}

fn parse(text: &str, units: &[&[(&str, Bits)]]) -> Result<u64, SizeProblem> {
    if text.starts_with(['-', '+']) {
        return Err(SizeProblem::Sign);
    }
    let (whole, behind) = digits(text);
    let (fraction, name) = match behind.strip_prefix('.') {
        Some(behind) => digits(behind),
        None => ("0", behind),
    };
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphabetic());
    if whole.is_empty() || fraction.is_empty() || !is_name {
        return Err(SizeProblem::Format);
    }
    let mut units = units.iter().copied().flatten();
    let unit = units.find(|(unit, _)| *unit == name);
    let (_, unit) = unit.ok_or(SizeProblem::Unit)?;
    let bytes = bytes(whole, fraction, *unit)?;
    let is_not_zero = |digits: &str| digits.bytes().any(|digit| digit != b'0');
    match bytes {
        0 if is_not_zero(whole) || is_not_zero(fraction) => Err(SizeProblem::BelowOne),
        _ => Ok(bytes),
    }
}

fn bytes(whole: &str, fraction: &str, unit: Bits) -> Result<u64, SizeProblem> {
    let mut number: Bits = 0;
    for digit in whole.bytes() {
        number = number * 10 + Bits::from(digit - b'0');
        // Every unit is at least one byte.
        if number > Bits::from(u64::MAX) {
            return Err(SizeProblem::TooLarge);
        }
    }
    // Starting with the last digit, each step drops less than one bit, and no later step makes a bit of it.
    let part = fraction.bytes().rev().fold(0, |part, digit| {
        (Bits::from(digit - b'0') * unit + part) / 10
    });
    let bytes = (number * unit + part) / BYTE;
    u64::try_from(bytes).map_err(|_| SizeProblem::TooLarge)
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests;
