//! Moments as people give them to `until`.

use jiff::civil::DateTime;
use jiff::{Span, SpanRelativeTo, Timestamp, ZonedDateTime};

/// Returns the moment that `text` means: a span before `now`, a time, or seconds since 1970.
///
/// A span is Go's (`24h`, `1h30m`), or has days and weeks (`7d`), a day being 24 hours. A time has a date at least;
/// without a zone it is one of the zone of `now`. `None` if it is nothing of these.
pub(super) fn parse(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    seconds(text)
        .or_else(|| text.parse().ok())
        .or_else(|| date_in_zone(text))
        .or_else(|| local(text, now))
        .or_else(|| span(text, now))
}

/// Reads `1767225600` and `1767225600.25`. Before everything else: eight digits are a date to others.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(whole.parse().ok()?, nanoseconds).ok()
}

/// Reads a date with a zone and no time of day: `2026-01-31Z`, `2026-01-31+02:00`.
fn date_in_zone(text: &str) -> Option<Timestamp> {
    let (date, zone) = text.split_at_checked("2026-01-31".len())?;
    let is_zone = zone.starts_with(['Z', 'z', '+', '-']);
    is_zone.then(|| format!("{date}T00:00{zone}").parse().ok())?
}

fn local(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    let time: DateTime = text.parse().ok()?;
    let zoned = time.to_zoned_datetime(now.time_zone().clone()).ok()?;
    Some(zoned.timestamp())
}

fn span(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    let span: Span = text.parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    now.timestamp().checked_sub(length).ok()
}
