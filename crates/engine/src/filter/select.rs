//! Which images filters let through.

use std::collections::BTreeMap;

use jiff::Timestamp;
use windlass_oci::{ImageConfig, ImageId, ImageName, Reference};
use windlass_store::{Image, Store};

use super::{Filters, Label};
use crate::Engine;
use crate::error::StoreError;
use crate::image::ImageSummary;

/// Filters whose images are found: what is left to compare is times, labels and names.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    filters: &'a Filters,
    /// Made earlier than this.
    before: Option<Timestamp>,
    /// Made later than this.
    since: Option<Timestamp>,
}

impl Engine {
    /// Returns the images that `filters` let through, the last pulled first, each with all its names. Which of
    /// those a `reference` means is told by [`Filters::takes_name`].
    ///
    /// Of several images that `before` names, the oldest counts; of several for `since`, the youngest. That one of
    /// them is not there is an error.
    pub fn images_matching(&self, filters: &Filters) -> Result<Vec<ImageSummary>, StoreError> {
        let selection = Selection::new(&self.store, filters)?;
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
    pub(crate) fn new(store: &Store, filters: &'a Filters) -> Result<Self, StoreError> {
        let moments = |names: &[ImageName]| -> Result<Vec<_>, StoreError> {
            let moment = |name| Ok(made(&store.image(name)?));
            names.iter().map(moment).collect()
        };
        Ok(Self {
            before: moments(&filters.before)?.into_iter().min(),
            since: moments(&filters.since)?.into_iter().max(),
            filters,
        })
    }

    /// Tells whether `image` is meant. Its config is read only where a filter asks for its labels.
    pub(crate) fn takes(&self, store: &Store, image: &Image) -> Result<bool, StoreError> {
        Ok(self.takes_names(image) && self.takes_time(image) && self.takes_labels(store, image)?)
    }

    fn takes_names(&self, image: &Image) -> bool {
        let filters = self.filters;
        let tags = image.tags.iter().map(|tag| &tag.reference);
        let mut names = tags.chain(&image.digests);
        filters
            .dangling
            .is_none_or(|wanted| wanted == image.is_dangling())
            && (filters.references.is_empty()
                || names.any(|name: &Reference| filters.takes_name(name)))
    }

    /// What was made at the very moment of `until` is meant still, as Docker has it.
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

/// When an image was made. One that does not say so, or nothing that can be read, counts as made in 1970: older
/// than every span of time.
fn made(image: &Image) -> Timestamp {
    let created = image.created.as_deref();
    let made = created.and_then(|text| text.parse().ok());
    made.unwrap_or(Timestamp::UNIX_EPOCH)
}

fn labels(store: &Store, id: &ImageId) -> Result<BTreeMap<String, String>, StoreError> {
    let config = ImageConfig::parse(&store.read_blob(id.digest())?)?;
    Ok(config.config.unwrap_or_default().labels)
}
