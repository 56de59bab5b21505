//! Applies filters to the images of a store.

use std::collections::BTreeMap;

use jiff::Timestamp;
use windlass_oci::{ImageConfig, ImageId, ImageName, Reference};
use windlass_store::{Image, Store};

use super::{FilterUse, Filters, Label};
use crate::engine::Engine;
use crate::list::ImageSummary;
use crate::store_error::StoreError;

/// Filters with the creation times of the images that `before` and `since` name.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    usage: FilterUse,
    filters: &'a Filters,
    /// Only images that were created before this time.
    before: Option<Timestamp>,
    /// Only images that were created after this time.
    since: Option<Timestamp>,
}

impl Engine {
    /// Returns the images that `filters` select, the last pulled first, each with all its names.
    /// [`Filters::selects_name`] selects among the names by `reference`.
    ///
    /// Of several images for `before`, the oldest counts; of several for `since`, the youngest. An image that does not
    /// exist is an error.
    pub fn images_matching(&self, filters: &Filters) -> Result<Vec<ImageSummary>, StoreError> {
        let selection = Selection::new(FilterUse::Images, &self.store, filters)?;
        let mut matching = Vec::new();
        for image in self.store.images()? {
            if selection.selects(&self.store, &image)? {
                matching.push(image.into());
            }
        }
        Ok(matching)
    }
}

impl<'a> Selection<'a> {
    pub(crate) fn new(
        usage: FilterUse,
        store: &Store,
        filters: &'a Filters,
    ) -> Result<Self, StoreError> {
        let creation_times = |names: &[ImageName]| -> Result<Vec<_>, StoreError> {
            let creation_time = |name| Ok(created_at(&store.image(name)?));
            names.iter().map(creation_time).collect()
        };
        Ok(Self {
            before: creation_times(&filters.before)?.into_iter().min(),
            since: creation_times(&filters.since)?.into_iter().max(),
            usage,
            filters,
        })
    }

    /// Returns whether `image` is selected. Its config is read only if a filter compares labels.
    pub(crate) fn selects(&self, store: &Store, image: &Image) -> Result<bool, StoreError> {
        Ok(self.matches_names(image)
            && self.matches_times(image)
            && self.matches_labels(store, image)?)
    }

    fn matches_names(&self, image: &Image) -> bool {
        let filters = self.filters;
        let tags = image.tags.iter().map(|tag| &tag.reference);
        let mut names = tags.chain(&image.digests);
        let dangling = match self.usage {
            FilterUse::Images => filters.dangling,
            // `dangling=false` selects all images to prune, and not only those with a tag.
            FilterUse::Prune => filters.dangling.filter(|dangling| *dangling),
        };
        dangling.is_none_or(|dangling| dangling == image.is_dangling())
            && (filters.references.is_empty()
                || names.any(|name: &Reference| filters.selects_name(name)))
    }

    /// An image that was created exactly at `until` is selected, as in Docker.
    fn matches_times(&self, image: &Image) -> bool {
        let created = created_at(image);
        self.filters.until.is_none_or(|until| created <= until)
            && self.before.is_none_or(|before| created < before)
            && self.since.is_none_or(|since| created > since)
    }

    fn matches_labels(&self, store: &Store, image: &Image) -> Result<bool, StoreError> {
        let Filters {
            labels: required,
            excluded_labels: excluded,
            ..
        } = self.filters;
        if required.is_empty() && excluded.is_empty() {
            return Ok(true);
        }
        let labels = labels(store, &image.id)?;
        let is_set = |label: &Label| label.matches(&labels);
        Ok(required.iter().all(is_set) && !excluded.iter().any(is_set))
    }
}

/// Returns when an image was created. Without a valid time, it counts as created in 1970, which is before every
/// duration.
fn created_at(image: &Image) -> Timestamp {
    let created = image.created.as_deref();
    let created = created.and_then(|text| text.parse().ok());
    created.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn labels(store: &Store, id: &ImageId) -> Result<BTreeMap<String, String>, StoreError> {
    let config = ImageConfig::parse(&store.read_blob(id.digest())?)?;
    Ok(config.config.unwrap_or_default().labels)
}
