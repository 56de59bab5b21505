//! Moments as images carry them: RFC 3339, from whoever built the image.

use std::time::Duration;

use jiff::Timestamp;

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
