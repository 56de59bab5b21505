//! Timestamps of images: RFC 3339 text that the builder of the image wrote.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use windlass_progress::human;

/// Parses a timestamp. Go writes an unknown time as the year 1, so earlier years return `None`.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    const YEAR_2: &str = "0002-01-01T00:00:00Z";
    let year_2: Timestamp = YEAR_2.parse().expect("a valid timestamp");
    text.parse().ok().filter(|time| *time >= year_2)
}

/// Returns the age of a timestamp ("2 weeks ago"), or "N/A" if it is invalid.
pub(crate) fn age(text: &str) -> String {
    age_at(text, Timestamp::now())
}

/// Returns a timestamp in the format of Docker's lists and the local time zone ("2026-11-09 12:00:00 +0000 UTC"), or
/// "N/A" if it is invalid.
pub(crate) fn local_time(text: &str) -> String {
    time_in(text, TimeZone::system())
}

/// Returns a time, given in seconds since 1970, in RFC 3339. Go's unknown time stands for one that cannot be represented.
pub(crate) fn rfc3339(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).ok();
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or("0001-01-01T00:00:00Z".to_owned(), |time| time.to_string())
}

fn time_in(text: &str, zone: TimeZone) -> String {
    let Some(time) = parse(text) else {
        return "N/A".to_owned();
    };
    let time = time.to_zoned_datetime(zone);
    time.strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

/// A timestamp in the future has no age: clocks differ.
fn age_at(text: &str, now: Timestamp) -> String {
    let Some(time) = parse(text) else {
        return "N/A".to_owned();
    };
    let age = Duration::try_from(now.duration_since(time)).unwrap_or_default();
    human::age(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_formatted_like_go() {
        let text = "2026-11-09T12:00:00.123456789+01:00";
        assert_eq!(
            time_in(text, TimeZone::UTC),
            "2026-11-09 11:00:00 +0000 UTC"
        );
        let zone = TimeZone::fixed(jiff::tz::offset(-8));
        assert_eq!(time_in(text, zone), "2026-11-09 03:00:00 -0800 -08");
        assert_eq!(time_in("0001-01-01T00:00:00Z", TimeZone::UTC), "N/A");
    }

    #[test]
    fn invalid_text_has_no_age() {
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
