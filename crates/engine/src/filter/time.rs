//! Parses the values of `until`.

use jiff::civil::DateTime;
use jiff::{Span, SpanRelativeTo, Timestamp, ZonedDateTime};

/// Parses a duration before `now`, a time, or seconds since 1970. Returns `None` for other texts.
///
/// A duration has the form of Go (`24h`, `1h30m`), or has days of 24 hours and weeks (`7d`). A time has at least a date;
/// without a time zone it is in the zone of `now`.
pub(super) fn parse(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    seconds(text)
        .or_else(|| text.parse().ok())
        .or_else(|| date_in_zone(text))
        .or_else(|| time_without_zone(text, now))
        .or_else(|| duration_before(text, now))
}

/// Parses `1767225600` and `1767225600.25`. This comes first, because the other parsers take eight digits for a date.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(whole.parse().ok()?, nanoseconds).ok()
}

/// Parses a date with a zone and no time of day: `2026-01-31Z`, `2026-01-31+02:00`.
fn date_in_zone(text: &str) -> Option<Timestamp> {
    let (date, zone) = text.split_at_checked("2026-01-31".len())?;
    let is_zone = zone.starts_with(['Z', 'z', '+', '-']);
    is_zone.then(|| format!("{date}T00:00{zone}").parse().ok())?
}

/// Parses a time without a zone.
fn time_without_zone(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    let time: DateTime = text.parse().ok()?;
    let zoned = time.to_zoned_datetime(now.time_zone().clone()).ok()?;
    Some(zoned.timestamp())
}

/// Parses a duration.
fn duration_before(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    let span: Span = text.parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    now.timestamp().checked_sub(length).ok()
}
