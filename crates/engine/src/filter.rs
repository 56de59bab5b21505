//! Filters select the images to list or to prune.
//!
//! Keys and meanings are those of Docker. Several values of `label`, `label!`, `until`, `before` and `since` must
//! all match; of `reference`, one is enough. Labels and times are in the config, whose digest is the ID of the image, so
//! they never change; names do.

mod pattern;
pub(crate) mod select;
#[cfg(test)]
mod tests;
mod time;

use std::collections::BTreeMap;

use jiff::{Timestamp, ZonedDateTime};
use windlass_oci::text::{Sanitized, sanitize};
use windlass_oci::{ImageName, Reference, ReferenceError};

use pattern::Pattern;

/// The command that images are filtered for. Each has its own keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterUse {
    /// To list images.
    Images,
    /// To remove images.
    Prune,
}

/// A selection of images. Without a filter, it contains all images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    dangling: Option<bool>,
    labels: Vec<Label>,
    excluded_labels: Vec<Label>,
    until: Option<Timestamp>,
    before: Vec<ImageName>,
    since: Vec<ImageName>,
    references: Vec<Pattern>,
}

/// The key of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilterKey {
    Before,
    Dangling,
    Label,
    NotLabel,
    Reference,
    Since,
    Until,
}

/// A label that an image must have, or must not have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Label {
    key: String,
    /// `None` for any value.
    value: Option<String>,
}

/// Why a filter is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The key or the value is missing.
    #[error("invalid filter '{filter}': expected KEY=VALUE")]
    Form {
        /// The filter, as specified.
        filter: Sanitized,
    },
    /// There is no such key; [`FilterUse::keys`] returns the valid ones.
    #[error("invalid filter '{key}'")]
    Key {
        /// The key, as specified.
        key: Sanitized,
        /// The command that it was specified for.
        usage: FilterUse,
    },
    /// The value is invalid for the key.
    #[error("invalid filter '{key}={value}': {problem}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value, as specified.
        value: Sanitized,
        /// The problem.
        problem: FilterProblem,
    },
}

/// Why a value is invalid for the key of its filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterProblem {
    /// It is neither `true` nor `false`.
    #[error("expected true or false")]
    Boolean,
    /// Both `true` and `false` were specified.
    #[error("another filter has the opposite value")]
    Contradiction,
    /// A label needs a key.
    #[error("expected the key of a label")]
    Label,
    /// It is neither a time nor a duration.
    #[error(
        "expected a span such as 24h, a time such as 2026-01-31T12:00:00Z, or seconds since 1970"
    )]
    Time,
    /// It is not a valid pattern.
    #[error("a '[' without its ']', an empty range or a '\\' at the end")]
    Pattern,
    /// It is not the name of an image.
    #[error(transparent)]
    Name(#[from] ReferenceError),
}

impl FilterUse {
    /// Returns the valid keys.
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

    /// Returns the key with the name `name`, if it is valid for this command.
    fn key(self, name: &str) -> Option<FilterKey> {
        let key = FilterKey::parse(name)?;
        self.keys().contains(&key.name()).then_some(key)
    }
}

impl FilterKey {
    const ALL: [Self; 7] = [
        Self::Before,
        Self::Dangling,
        Self::Label,
        Self::NotLabel,
        Self::Reference,
        Self::Since,
        Self::Until,
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Dangling => "dangling",
            Self::Label => "label",
            Self::NotLabel => "label!",
            Self::Reference => "reference",
            Self::Since => "since",
            Self::Until => "until",
        }
    }
}

impl Filters {
    /// Parses filters of a command line: `KEY=VALUE`.
    ///
    /// Durations are subtracted from `now`, whose time zone is used for times without one.
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

    /// Parses filters of an API request: the values of each key.
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

    /// Returns whether all images are selected.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the value of `dangling`: whether to select the images without a tag, or those with one.
    pub fn dangling(&self) -> Option<bool> {
        self.dangling
    }

    /// Returns whether `name` is selected: a familiar name that matches a `reference`, with or without its tag or
    /// digest.
    pub fn selects_name(&self, name: &Reference) -> bool {
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
        let key = usage.key(key).ok_or_else(|| FilterError::Key {
            key: sanitize(key),
            usage,
        })?;
        self.set(key, value, now)
            .map_err(|problem| FilterError::Value {
                key: key.name(),
                value: sanitize(value),
                problem,
            })
    }

    fn set(
        &mut self,
        key: FilterKey,
        value: &str,
        now: &ZonedDateTime,
    ) -> Result<(), FilterProblem> {
        match key {
            FilterKey::Dangling => {
                let dangling = parse_bool(value)?;
                if self.dangling.is_some_and(|other| other != dangling) {
                    return Err(FilterProblem::Contradiction);
                }
                self.dangling = Some(dangling);
            }
            FilterKey::Label => self.labels.push(Label::parse(value)?),
            FilterKey::NotLabel => self.excluded_labels.push(Label::parse(value)?),
            FilterKey::Until => {
                let until = time::parse(value, now).ok_or(FilterProblem::Time)?;
                self.until = Some(self.until.map_or(until, |other| other.min(until)));
            }
            FilterKey::Before => self.before.push(value.parse()?),
            FilterKey::Since => self.since.push(value.parse()?),
            FilterKey::Reference => {
                let pattern = Pattern::parse(value).ok_or(FilterProblem::Pattern)?;
                self.references.push(pattern);
            }
        }
        Ok(())
    }
}

/// Parses a value of `dangling`, with the spellings of a program in Go, which Docker's API accepts.
fn parse_bool(text: &str) -> Result<bool, FilterProblem> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        _ => Err(FilterProblem::Boolean),
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

    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let found = labels.get(&self.key);
        found.is_some_and(|found| self.value.as_ref().is_none_or(|value| value == found))
    }
}
