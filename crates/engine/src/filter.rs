//! Filters: which images are listed, and which are pruned.
//!
//! Docker's keys with Docker's meanings. Several values of `label`, `label!`, `until`, `before` and `since` must
//! all hold; of `reference`, one is enough. What a filter compares never changes for an image, but for the
//! names: labels and times stand in its config, which its ID is the digest of.

mod moment;
mod pattern;
mod select;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{Timestamp, ZonedDateTime};
use windlass_oci::text::{Sanitized, sanitize};
use windlass_oci::{ImageName, Reference, ReferenceError};

use pattern::Pattern;

pub(crate) use select::Selection;

/// What images are filtered for; each has keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterUse {
    /// To list them.
    Images,
    /// To remove them.
    Prune,
}

/// Which images are meant. Without a filter, all are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    dangling: Option<bool>,
    with: Vec<Label>,
    without: Vec<Label>,
    until: Option<Timestamp>,
    before: Vec<ImageName>,
    since: Vec<ImageName>,
    references: Vec<Pattern>,
}

/// A label that an image has or has not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Label {
    key: String,
    /// `None`: whatever it is.
    value: Option<String>,
}

/// Why a filter is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It has no key or no value.
    #[error("invalid filter '{filter}': expected KEY=VALUE")]
    Form {
        /// The filter as it was given.
        filter: Sanitized,
    },
    /// There is no such key; [`FilterUse::keys`] says which there are.
    #[error("invalid filter '{key}'")]
    Key {
        /// The key that was given.
        key: Sanitized,
        /// What it was given for.
        usage: FilterUse,
    },
    /// The value does not fit the key.
    #[error("invalid filter '{key}={value}': {problem}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value that was given.
        value: Sanitized,
        /// What is wrong with it.
        problem: FilterProblem,
    },
}

/// Why a value does not fit the key of its filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterProblem {
    /// It is neither true nor false.
    #[error("expected true or false")]
    Truth,
    /// True and false were both asked for.
    #[error("another filter says the opposite")]
    Contradiction,
    /// A label has a key.
    #[error("expected the key of a label")]
    Label,
    /// It is neither a time nor a span of time.
    #[error(
        "expected a span such as 24h, a time such as 2026-01-31T12:00:00Z, or seconds since 1970"
    )]
    Moment,
    /// It is no pattern.
    #[error("a '[' without its ']', an empty range or a '\\' at the end")]
    Pattern,
    /// It names no image.
    #[error(transparent)]
    Name(#[from] ReferenceError),
}

impl FilterUse {
    /// Returns the keys that there are.
    pub const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Images => &[
                "before",
                "dangling",
                "label",
                "label!",
                "reference",
                "since",
                "until",
            ],
            Self::Prune => &["dangling", "label", "label!", "until"],
        }
    }
}

impl Filters {
    /// Reads filters as they stand on a command line: `KEY=VALUE`.
    ///
    /// `now` is what spans of time are counted back from, and its time zone is that of times that name none.
    pub fn parse<'a>(
        usage: FilterUse,
        filters: impl IntoIterator<Item = &'a str>,
        now: &ZonedDateTime,
    ) -> Result<Self, FilterError> {
        let mut all = Self::default();
        for filter in filters {
            let (key, value) = filter.split_once('=').ok_or_else(|| FilterError::Form {
                filter: sanitize(filter),
            })?;
            all.add(usage, &key.trim().to_ascii_lowercase(), value.trim(), now)?;
        }
        Ok(all)
    }

    /// Reads filters as they come to an API: the values of each key.
    pub fn from_lists(
        usage: FilterUse,
        lists: &BTreeMap<String, Vec<String>>,
        now: &ZonedDateTime,
    ) -> Result<Self, FilterError> {
        let mut all = Self::default();
        for (key, values) in lists {
            for value in values {
                all.add(usage, key, value, now)?;
            }
        }
        Ok(all)
    }

    /// Returns whether every image is meant.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns what `dangling` was set to: whether images are meant that have no tag, or those that have one.
    pub fn dangling(&self) -> Option<bool> {
        self.dangling
    }

    /// Tells whether `name` is one of those that are meant: a familiar name that a `reference` describes, with
    /// its tag or digest or without.
    pub fn takes_name(&self, name: &Reference) -> bool {
        let (full, short) = (name.familiar(), name.repository().familiar());
        let describes = |pattern: &Pattern| pattern.matches(&full) || pattern.matches(&short);
        self.references.is_empty() || self.references.iter().any(describes)
    }

    fn add(
        &mut self,
        usage: FilterUse,
        key: &str,
        value: &str,
        now: &ZonedDateTime,
    ) -> Result<(), FilterError> {
        let Some(key) = usage.keys().iter().copied().find(|known| *known == key) else {
            let key = sanitize(key);
            return Err(FilterError::Key { key, usage });
        };
        self.set(key, value, now)
            .map_err(|problem| FilterError::Value {
                key,
                value: sanitize(value),
                problem,
            })
    }

    /// Adds the filter of a key that is one of [`FilterUse::keys`].
    fn set(&mut self, key: &str, value: &str, now: &ZonedDateTime) -> Result<(), FilterProblem> {
        match key {
            "dangling" => {
                let wanted = truth(value)?;
                if self.dangling.is_some_and(|other| other != wanted) {
                    return Err(FilterProblem::Contradiction);
                }
                self.dangling = Some(wanted);
            }
            "label" => self.with.push(Label::parse(value)?),
            "label!" => self.without.push(Label::parse(value)?),
            "until" => {
                let until = moment::parse(value, now).ok_or(FilterProblem::Moment)?;
                self.until = Some(self.until.map_or(until, |other| other.min(until)));
            }
            "before" => self.before.push(value.parse()?),
            "since" => self.since.push(value.parse()?),
            _ => {
                let pattern = Pattern::parse(value).ok_or(FilterProblem::Pattern)?;
                self.references.push(pattern);
            }
        }
        Ok(())
    }
}

/// What Docker's API takes, and what a program in Go would print.
fn truth(text: &str) -> Result<bool, FilterProblem> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        _ => Err(FilterProblem::Truth),
    }
}

impl Label {
    fn parse(text: &str) -> Result<Self, FilterProblem> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text, None),
        };
        if key.is_empty() {
            return Err(FilterProblem::Label);
        }
        let key = key.to_owned();
        Ok(Self { key, value })
    }

    fn is_on(&self, labels: &BTreeMap<String, String>) -> bool {
        let found = labels.get(&self.key);
        found.is_some_and(|found| self.value.as_ref().is_none_or(|value| value == found))
    }
}
