//! Selection of names to list.

use std::str::FromStr;

use jiff::ZonedDateTime;
use windlass::error::{FilterError, ReferenceError};
use windlass::image::Reference;
use windlass::{FilterUse, Filters};

use super::name::NameColumns;

/// The name argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NamePattern {
    /// A repository, or a name in it.
    Exact(Reference),
    /// A pattern, as in the filter `reference`.
    Glob(Filters),
}

/// The name argument is invalid.
#[derive(Debug, thiserror::Error)]
pub(super) enum PatternError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Pattern(#[from] FilterError),
}

/// Selects names by the argument and the filters of a command.
#[derive(Debug)]
pub(super) struct NameFilter<'a> {
    /// The name argument.
    pub(super) argument: Option<&'a NamePattern>,
    pub(super) filters: &'a Filters,
}

impl FromStr for NamePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if !text.contains(['*', '?', '[', '\\']) {
            return Ok(Self::Exact(text.parse()?));
        }
        let filter = format!("reference={text}");
        let filters = Filters::parse(FilterUse::Images, [&*filter], &ZonedDateTime::now())?;
        Ok(Self::Glob(filters))
    }
}

impl NamePattern {
    fn matches(&self, name: &NameColumns) -> bool {
        match self {
            Self::Exact(pattern) => is_exact_match(pattern, name),
            Self::Glob(filters) => has_match(filters, name),
        }
    }
}

impl NameFilter<'_> {
    pub(super) fn matches(&self, name: &NameColumns) -> bool {
        // The filters were applied to images without a name already.
        let is_nameless = name.repository.is_none();
        let is_selected = self.argument.is_none_or(|pattern| pattern.matches(name));
        is_selected && (is_nameless || has_match(self.filters, name))
    }
}

fn is_exact_match(pattern: &Reference, name: &NameColumns) -> bool {
    name.repository.as_deref() == Some(pattern.repository().familiar().as_str())
        && pattern
            .tag()
            .is_none_or(|tag| name.tag.as_deref() == Some(tag.as_str()))
        && pattern
            .digest()
            .is_none_or(|digest| name.digest.as_ref() == Some(digest))
}

/// Returns whether `filters` match the name by its tag or by its digest.
fn has_match(filters: &Filters, name: &NameColumns) -> bool {
    let references = name.references();
    references
        .iter()
        .any(|reference| filters.selects_name(reference))
}
