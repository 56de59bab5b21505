//! Rows of image lists: one for each name.

use std::cmp::Reverse;
use std::collections::HashSet;

use windlass::image::ImageSummary;
use windlass_progress::human;

use super::name::{NameColumns, names};
use super::name_filter::NameFilter;
use crate::output::time;

const UNKNOWN: &str = "N/A";

/// One name of one image. An image without a name has one row, too.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) image: &'a ImageSummary,
    pub(super) name: NameColumns,
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
            let NameColumns {
                repository, tag, ..
            } = &row.name;
            seen.insert((row.image.id, repository.clone(), tag.clone()))
        });
    }
    rows
}

#[cfg(test)]
pub(super) mod tests;
