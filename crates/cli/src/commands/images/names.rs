//! Which names are listed.

use std::str::FromStr;

use jiff::ZonedDateTime;
use windlass::{FilterError, FilterUse, Filters, Reference, ReferenceError};

use super::rows::Name;

/// The name that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NamePattern {
    /// This repository, or this name in it.
    Exactly(Reference),
    /// Names like this, as the filter `reference` has it.
    Like(Filters),
}

/// Why a pattern is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum PatternError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Pattern(#[from] FilterError),
}

/// The names that are wanted.
#[derive(Debug)]
pub(super) struct Names<'a> {
    /// The one that was asked for.
    pub(super) argument: Option<&'a NamePattern>,
    pub(super) filters: &'a Filters,
}

impl FromStr for NamePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if !text.contains(['*', '?', '[', '\\']) {
            return Ok(Self::Exactly(text.parse()?));
        }
        let filter = format!("reference={text}");
        let filters = Filters::parse(FilterUse::Images, [&*filter], &ZonedDateTime::now())?;
        Ok(Self::Like(filters))
    }
}

impl NamePattern {
    fn matches(&self, name: &Name) -> bool {
        match self {
            Self::Exactly(wanted) => is_in(wanted, name),
            Self::Like(filters) => takes(filters, name),
        }
    }
}

impl Names<'_> {
    pub(super) fn let_through(&self, name: &Name) -> bool {
        // Images without a name have come through the filters already.
        let is_nameless = name.repository.is_none();
        let is_asked_for = self.argument.is_none_or(|pattern| pattern.matches(name));
        is_asked_for && (is_nameless || takes(self.filters, name))
    }
}

fn is_in(wanted: &Reference, name: &Name) -> bool {
    name.repository.as_deref() == Some(wanted.repository().familiar().as_str())
        && wanted
            .tag()
            .is_none_or(|tag| name.tag.as_deref() == Some(tag.as_str()))
        && wanted
            .digest()
            .is_none_or(|digest| name.digest.as_ref() == Some(digest))
}

/// Tells whether `filters` take the name by its tag or by its digest.
fn takes(filters: &Filters, name: &Name) -> bool {
    let references = name.references();
    references
        .iter()
        .any(|reference| filters.takes_name(reference))
}
