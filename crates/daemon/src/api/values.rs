//! Converts values to those of Docker's JSON documents.

use jiff::Timestamp;
use windlass::image::Reference;

/// Docker's value for an unknown time.
pub(super) const NO_TIME: &str = "0001-01-01T00:00:00Z";

pub(super) fn familiar(names: &[Reference]) -> Vec<String> {
    names.iter().map(Reference::familiar).collect()
}

/// Parses a time of an image config, in seconds since 1970.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let time: Timestamp = text.parse().ok()?;
    Some(time.as_second())
}

/// The same in seconds since 1970.
pub(super) const NO_SECONDS: i64 = -62_135_596_800;

/// Returns a time, given in seconds since 1970, in RFC 3339.
pub(super) fn time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).ok();
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or(NO_TIME.to_owned(), |time| time.to_string())
}

pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
