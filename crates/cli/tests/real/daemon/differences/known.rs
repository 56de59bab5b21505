//! The differences that there are, and why.

use super::compare::Difference;

/// Differences that have one reason.
#[derive(Debug)]
pub(super) struct Known {
    /// Which requests, by name: `*` stands for anything.
    requests: &'static [&'static str],
    /// Which places in the answer, likewise.
    places: &'static [&'static str],
    pub(super) why: &'static str,
}

pub(super) const KNOWN: &[Known] = &[Known {
    requests: &["*"],
    places: &["headers.api-version"],
    why: "newer",
}];

impl Known {
    /// Whether this is one of them.
    pub(super) fn is(&self, found: &Difference) -> bool {
        let any = |patterns: &[&str], text: &str| patterns.iter().any(|it| matches(it, text));
        any(self.requests, &found.request) && any(self.places, &found.place)
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len())
                .filter(|at| text.is_char_boundary(*at))
                .any(|at| matches(rest, &text[at..]))
        }),
    }
}
