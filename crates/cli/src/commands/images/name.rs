//! The names of an image, as the columns of a list.

use std::collections::BTreeMap;

use windlass::image::{Digest, ImageSummary, Reference};

/// The cell of a column without a value.
pub(super) const NONE: &str = "<none>";

/// The columns with the name of the image.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NameColumns {
    pub(super) repository: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<Digest>,
}

impl NameColumns {
    pub(super) fn cells(&self) -> [String; 3] {
        let cell = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
        let digest = self.digest.map(|digest| digest.to_string());
        [
            cell(self.repository.clone()),
            cell(self.tag.clone()),
            cell(digest),
        ]
    }

    /// Returns the references by tag and by digest, or the repository if there is neither.
    pub(super) fn references(&self) -> Vec<Reference> {
        let Some(repository) = &self.repository else {
            return Vec::new();
        };
        let tag = self.tag.as_ref().map(|tag| format!("{repository}:{tag}"));
        let digest = self.digest.map(|digest| format!("{repository}@{digest}"));
        let mut texts: Vec<String> = [tag, digest].into_iter().flatten().collect();
        if texts.is_empty() {
            texts.push(repository.clone());
        }
        texts.iter().filter_map(|text| text.parse().ok()).collect()
    }
}

/// Returns the names of an image: every tag with every digest of its repository, and repositories that have only
/// digests of it.
pub(super) fn names(image: &ImageSummary) -> Vec<NameColumns> {
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
                names.push(NameColumns {
                    repository: Some(repository.clone()),
                    tag: tag.clone(),
                    digest,
                });
            }
        }
    }
    if names.is_empty() {
        vec![NameColumns::default()]
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
