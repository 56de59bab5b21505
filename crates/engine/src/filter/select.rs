//! Applies filters to the images of a store.

use std::collections::BTreeMap;

use jiff::Timestamp;
use windlass_oci::{ImageConfig, ImageId, ImageName, Reference};
use windlass_store::{Image, Store};

use super::{FilterUse, Filters, Label};
use crate::engine::Engine;
use crate::list::ImageSummary;
use crate::store_error::StoreError;

/// Filters whose images were looked up: times, labels and names are left to compare.
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
    /// [`Filters::takes_name`] selects among the names by `reference`.
    ///
    /// Of several images for `before`, the oldest counts; of several for `since`, the youngest. An image that does not
    /// exist is an error.
    pub fn images_matching(&self, filters: &Filters) -> Result<Vec<ImageSummary>, StoreError> {
        let selection = Selection::new(FilterUse::Images, &self.store, filters)?;
        let mut matching = Vec::new();
        for image in self.store.images()? {
            if selection.takes(&self.store, &image)? {
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
        let moments = |names: &[ImageName]| -> Result<Vec<_>, StoreError> {
            let moment = |name| Ok(made(&store.image(name)?));
            names.iter().map(moment).collect()
        };
        Ok(Self {
            before: moments(&filters.before)?.into_iter().min(),
            since: moments(&filters.since)?.into_iter().max(),
            usage,
            filters,
        })
    }

    /// Returns whether `image` is selected. Its config is read only if a filter compares labels.
    pub(crate) fn takes(&self, store: &Store, image: &Image) -> Result<bool, StoreError> {
        Ok(self.takes_names(image) && self.takes_time(image) && self.takes_labels(store, image)?)
    }

    fn takes_names(&self, image: &Image) -> bool {
        let filters = self.filters;
        let tags = image.tags.iter().map(|tag| &tag.reference);
        let mut names = tags.chain(&image.digests);
        let dangling = match self.usage {
            FilterUse::Images => filters.dangling,
            // `dangling=false` selects all images to prune, and not only those with a tag.
            FilterUse::Prune => filters.dangling.filter(|dangling| *dangling),
        };
        dangling.is_none_or(|wanted| wanted == image.is_dangling())
            && (filters.references.is_empty()
                || names.any(|name: &Reference| filters.takes_name(name)))
    }

    /// An image that was created exactly at `until` is selected, as in Docker.
    fn takes_time(&self, image: &Image) -> bool {
        let made = made(image);
        self.filters.until.is_none_or(|until| made <= until)
            && self.before.is_none_or(|before| made < before)
            && self.since.is_none_or(|since| made > since)
    }

    fn takes_labels(&self, store: &Store, image: &Image) -> Result<bool, StoreError> {
        let Filters { with, without, .. } = self.filters;
        if with.is_empty() && without.is_empty() {
            return Ok(true);
        }
        let labels = labels(store, &image.id)?;
        let is_on = |label: &Label| label.is_on(&labels);
        Ok(with.iter().all(is_on) && !without.iter().any(is_on))
    }
}

/// Returns when an image was created. Without a valid time, it counts as created in 1970, which is before every
/// duration.
fn made(image: &Image) -> Timestamp {
    let created = image.created.as_deref();
    let made = created.and_then(|text| text.parse().ok());
    made.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn labels(store: &Store, id: &ImageId) -> Result<BTreeMap<String, String>, StoreError> {
    let config = ImageConfig::parse(&store.read_blob(id.digest())?)?;
    Ok(config.config.unwrap_or_default().labels)
}
