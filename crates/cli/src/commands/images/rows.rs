//! Rows of image lists: one for each name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use windlass::image::{Digest, ImageSummary, Reference};

use super::name_filter::NameFilter;
use crate::output::{human, time};

pub(super) const NONE: &str = "<none>";
const UNKNOWN: &str = "N/A";

/// One name of one image. An image without a name has one row, too.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) image: &'a ImageSummary,
    pub(super) name: Name,
}

/// The columns with the name of the image.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) repository: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<Digest>,
}

/// Which digests of a name have a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DigestRows {
    /// The first one.
    First,
    /// Each one.
    All,
}

impl Row<'_> {
    pub(super) fn created(&self) -> String {
        let created = self.image.created.as_deref();
        created.map_or_else(|| UNKNOWN.to_owned(), time::age)
    }

    pub(super) fn created_at(&self) -> String {
        let created = self.image.created.as_deref();
        created.map_or_else(|| UNKNOWN.to_owned(), time::local_time)
    }

    pub(super) fn size(&self) -> String {
        human::table_size(self.image.size)
    }
}

impl Name {
    pub(super) fn cells(&self) -> [String; 3] {
        let cell = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
        let digest = self.digest.map(|digest| digest.to_string());
        [
            cell(self.repository.clone()),
            cell(self.tag.clone()),
            cell(digest),
        ]
    }
}

impl Name {
    /// Returns the references by tag and by digest, or the repository if there is neither.
    pub(super) fn references(&self) -> Vec<Reference> {
        let Some(repository) = &self.repository else {
            return Vec::new();
        };
        let tag = self.tag.as_ref().map(|tag| format!("{repository}:{tag}"));
        let digest = { self.digest }.map(|digest| format!("{repository}@{digest}"));
        let mut texts: Vec<String> = [tag, digest].into_iter().flatten().collect();
        if texts.is_empty() {
            texts.push(repository.clone());
        }
        texts.iter().filter_map(|text| text.parse().ok()).collect()
    }
}

/// Returns a row for each name that `filter` matches, newest image first.
pub(super) fn rows<'a>(
    images: impl IntoIterator<Item = &'a ImageSummary>,
    filter: &NameFilter<'_>,
    digests: DigestRows,
) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'_>> = images
        .into_iter()
        .flat_map(|image| {
            let rows = names(image).into_iter();
            rows.map(move |name| Row { image, name })
        })
        .filter(|row| filter.matches(&row.name))
        .collect();
    rows.sort_by_cached_key(|row| {
        let created = row.image.created.as_deref().and_then(time::parse);
        (Reverse(created), row.name.clone(), row.image.id)
    });
    if digests == DigestRows::First {
        let mut seen = HashSet::new();
        rows.retain(|row| {
            let Name {
                repository, tag, ..
            } = &row.name;
            seen.insert((row.image.id, repository.clone(), tag.clone()))
        });
    }
    rows
}

/// Returns the names of an image: every tag with every digest of its repository, and repositories that have only
/// digests of it.
fn names(image: &ImageSummary) -> Vec<Name> {
    let mut repositories: BTreeMap<String, (Vec<String>, Vec<Digest>)> = BTreeMap::new();
    for reference in image.names.iter().chain(&image.digests) {
        let (tags, digests) = repositories
            .entry(reference.repository().familiar())
            .or_default();
        tags.extend(reference.tag().map(ToString::to_string));
        digests.extend(reference.digest());
    }
    let mut names = Vec::new();
    for (repository, (tags, digests)) in repositories {
        for tag in items_or_none(&tags) {
            for digest in items_or_none(&digests) {
                names.push(Name {
                    repository: Some(repository.clone()),
                    tag: tag.clone(),
                    digest,
                });
            }
        }
    }
    if names.is_empty() {
        vec![Name::default()]
    } else {
        names
    }
}

/// Returns the `items`, or a single `None` if there are none.
fn items_or_none<T: Clone>(items: &[T]) -> Vec<Option<T>> {
    match items {
        [] => vec![None],
        items => items.iter().cloned().map(Some).collect(),
    }
}

#[cfg(test)]
pub(super) mod tests;
