//! Amounts of bytes, and how many of them a second.

use std::fmt;
use std::num::NonZeroU64;

/// What a unit stands for, in bits, so that it is a whole number whatever the unit.
type Bits = u128;

const BYTE: Bits = 8;

/// Units of bytes. A letter alone is what it is to curl: a power of 1024.
const BYTES: [(&str, Bits); 18] = [
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

/// Units that only rates have.
const BITS: [(&str, Bits); 3] = [
    ("kbit", 1000),
    ("Mbit", 1000_u128.pow(2)),
    ("Gbit", 1000_u128.pow(3)),
];

/// How sizes are written: the first of these that leaves a whole number.
const WRITTEN: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("TB", 1000_u64.pow(4)),
    ("GiB", 1 << 30),
    ("GB", 1000_u64.pow(3)),
    ("MiB", 1 << 20),
    ("MB", 1000_u64.pow(2)),
    ("KiB", 1 << 10),
    ("kB", 1000),
];

/// How fast bytes may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As fast as they come.
    Unlimited,
    /// No faster than so many bytes a second.
    Limited(NonZeroU64),
}

/// Why a text is not an amount of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeProblem {
    /// It is not written as one.
    #[error("expected a size such as \"64KiB\", \"1.5GB\" or \"1048576\"")]
    Form,
    /// What stands behind the number is no unit.
    #[error(
        "expected one of the units B, kB, MB, GB, TB, KiB, MiB, GiB or TiB behind the number, as in \"16GiB\""
    )]
    Unit,
    /// It has a sign.
    #[error("a size has no sign: write it as in \"16GiB\"")]
    Sign,
    /// It is more than nothing and less than a byte.
    #[error("a size is 0 or at least one byte")]
    BelowOne,
    /// It is more than 2^64 - 1 bytes.
    #[error("the size is too large")]
    TooLarge,
    /// It is not between two bounds, in bytes.
    #[error("expected a size from {} to {}", shown_size(*least), shown_size(*most))]
    Range {
        /// The smallest that is taken.
        least: u64,
        /// The largest that is taken.
        most: u64,
    },
}

/// Why a text is not an amount of bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateProblem {
    /// It is not written as one.
    #[error("expected bytes a second such as \"10MB\", \"1.5MiB\" or \"80Mbit\", or \"off\"")]
    Form,
    /// What stands behind the number is no unit.
    #[error(
        "expected one of the units B, kB, MB, GB, TB, KiB, MiB, GiB, TiB, kbit, Mbit or Gbit behind the number, \
         as in \"10MB\" or \"80Mbit\""
    )]
    Unit,
    /// It has a sign.
    #[error("a rate has no sign: write it as in \"10MB\"")]
    Sign,
    /// It is more than nothing and less than a byte a second.
    #[error("a rate is at least one byte a second, or \"off\"")]
    BelowOne,
    /// It is more than 2^64 - 1 bytes a second.
    #[error("the rate is too large: write \"off\" for no limit")]
    TooLarge,
}

impl Rate {
    /// Returns the limit in bytes a second, if there is one.
    pub fn limit(self) -> Option<NonZeroU64> {
        match self {
            Self::Unlimited => None,
            Self::Limited(limit) => Some(limit),
        }
    }

    /// Returns the rate of so many bytes a second, where 0 is no limit.
    pub(crate) fn of(bytes: u64) -> Self {
        NonZeroU64::new(bytes).map_or(Self::Unlimited, Self::Limited)
    }
}

/// Writes it so that [`parse_rate`] reads the same again.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("off"),
            Self::Limited(limit) => write!(f, "{}/s", shown_size(limit.get())),
        }
    }
}

/// Parses an amount of bytes: a number, which may have a fraction, and a unit. Without a unit it is bytes.
///
/// The units are `B`; `kB` (or `KB`), `MB`, `GB` and `TB` of 1000; `KiB`, `MiB`, `GiB` and `TiB` of 1024; and
/// as in curl `K`, `M`, `G` and `T` alone, also of 1024. Parts of a byte are cut.
///
/// # Errors
/// If it is anything else, is not 0 and less than a byte, or does not fit.
pub fn parse_size(text: &str) -> Result<u64, SizeProblem> {
    parse(text, &[&BYTES])
}

/// Parses bytes a second: a size as [`parse_size`] reads it or a number of `kbit`, `Mbit` or `Gbit`, with or without
/// a `/s` behind it. `off` and 0 are no limit.
///
/// # Errors
/// If it is anything else, is not 0 and less than a byte a second, or does not fit.
pub fn parse_rate(text: &str) -> Result<Rate, RateProblem> {
    if text == "off" {
        return Ok(Rate::Unlimited);
    }
    let amount = text.strip_suffix("/s").unwrap_or(text);
    let bytes = parse(amount, &[&BYTES, &BITS]).map_err(|problem| match problem {
        SizeProblem::Form | SizeProblem::Range { .. } => RateProblem::Form,
        SizeProblem::Unit => RateProblem::Unit,
        SizeProblem::Sign => RateProblem::Sign,
        SizeProblem::BelowOne => RateProblem::BelowOne,
        SizeProblem::TooLarge => RateProblem::TooLarge,
    })?;
    Ok(Rate::of(bytes))
}

/// Writes an amount of bytes exactly, in the largest unit that leaves a whole number, so that [`parse_size`] reads
/// the same again.
pub fn shown_size(bytes: u64) -> String {
    let fits = |(_, unit): &&(&str, u64)| bytes >= *unit && bytes.is_multiple_of(*unit);
    match WRITTEN.iter().find(fits) {
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
        return Err(SizeProblem::Form);
    }
    let mut units = units.iter().copied().flatten();
    let unit = units.find(|(unit, _)| *unit == name);
    let (_, unit) = unit.ok_or(SizeProblem::Unit)?;
    let bytes = bytes(whole, fraction, *unit)?;
    let is_something = |digits: &str| digits.bytes().any(|digit| digit != b'0');
    match bytes {
        0 if is_something(whole) || is_something(fraction) => Err(SizeProblem::BelowOne),
        _ => Ok(bytes),
    }
}

fn bytes(whole: &str, fraction: &str, unit: Bits) -> Result<u64, SizeProblem> {
    let mut number: Bits = 0;
    for digit in whole.bytes() {
        number = number * 10 + Bits::from(digit - b'0');
        // No unit is less than a byte.
        if number > Bits::from(u64::MAX) {
            return Err(SizeProblem::TooLarge);
        }
    }
    // From the last digit on: what each step cuts is less than one, and no later step makes one of it.
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
