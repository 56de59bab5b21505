//! Moments as images carry them: RFC 3339, from whoever built the image.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::human;

/// Returns the moment that `text` names, if it names one. The year 1 is how Go says that it does not know.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    const YEAR_2: &str = "0002-01-01T00:00:00Z";
    let unknown: Timestamp = YEAR_2.parse().expect("a moment");
    text.parse().ok().filter(|moment| *moment >= unknown)
}

/// Returns how long ago `text` was ("2 weeks ago"), or "N/A" if that is no moment.
pub(crate) fn age(text: &str) -> String {
    age_at(text, Timestamp::now())
}

/// Returns the moment that `text` names as Docker's lists have it, in the time zone of this machine
/// ("2026-11-09 12:00:00 +0000 UTC"), or "N/A" if that is no moment.
pub(crate) fn moment(text: &str) -> String {
    moment_in(text, TimeZone::system())
}

fn moment_in(text: &str, zone: TimeZone) -> String {
    let Some(moment) = parse(text) else {
        return "N/A".to_owned();
    };
    let moment = moment.to_zoned_datetime(zone);
    moment.strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

/// A moment in the future is now: clocks differ.
fn age_at(text: &str, now: Timestamp) -> String {
    let Some(moment) = parse(text) else {
        return "N/A".to_owned();
    };
    let age = Duration::try_from(now.duration_since(moment)).unwrap_or_default();
    human::age(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_gos() {
        let text = "2026-11-09T12:00:00.123456789+01:00";
        assert_eq!(
            moment_in(text, TimeZone::UTC),
            "2026-11-09 11:00:00 +0000 UTC"
        );
        let zone = TimeZone::fixed(jiff::tz::offset(-8));
        assert_eq!(moment_in(text, zone), "2026-11-09 03:00:00 -0800 -08");
        assert_eq!(moment_in("0001-01-01T00:00:00Z", TimeZone::UTC), "N/A");
    }

    #[test]
    fn ages_are_told_from_any_text() {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let ages = [
            "2026-11-09T12:00:00.123456789Z",
            "2026-11-23T13:00:00+02:00",
            "2027-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "yesterday",
            "",
        ]
        .map(|text| age_at(text, now));
        insta::assert_debug_snapshot!(ages, @r#"
        [
            "2 weeks ago",
            "About an hour ago",
            "Less than a second ago",
            "56 years ago",
            "N/A",
            "N/A",
            "N/A",
        ]
        "#);
    }
}
