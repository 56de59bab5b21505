//! Determines the images to load, their layers and their names.

use std::cmp::Reverse;

use windlass_copy::{Budget, ImageChoice, SourceImage, images};
use windlass_layout::{Layout, LayoutDefect, LayoutEntry, LayoutError};
use windlass_oci::{Descriptor, DiffId, ImageId, Platform, Reference};
use windlass_pull::match_layers;

use super::error::LoadError;

/// An image to load.
pub(super) struct IncomingImage {
    pub(super) image: SourceImage,
    /// The layers, base first.
    pub(super) layers: Vec<(Descriptor, DiffId)>,
    /// The names that the image gets.
    pub(super) names: Vec<Reference>,
}

impl IncomingImage {
    pub(super) fn id(&self) -> ImageId {
        ImageId::new(self.image.manifest.config.digest)
    }
}

/// Returns the images of `layout` that `choice` selects. `name` replaces the names of the only image.
pub(super) fn incoming_images(
    layout: &Layout,
    choice: &ImageChoice,
    name: Option<&Reference>,
) -> Result<Vec<IncomingImage>, LoadError> {
    let mut incoming: Vec<IncomingImage> = Vec::new();
    let mut budget = Budget::default();
    for entry in layout.entries() {
        let found = images(layout, &entry.root, choice, &mut budget)?;
        for (image, names) in with_names(entry, found) {
            let layers = match_layers(&image.manifest, &image.config);
            let id = ImageId::new(image.manifest.config.digest);
            let layers = layers.map_err(|source| LoadError::Plan { image: id, source })?;
            incoming.push(IncomingImage {
                image,
                layers,
                names,
            });
        }
    }
    if incoming.is_empty() {
        return Err(LayoutError::from(LayoutDefect::EmptyLists).into());
    }
    if let Some(name) = name {
        let [only] = &mut *incoming else {
            let (count, name) = (incoming.len(), name.familiar());
            return Err(LoadError::OneName { count, name });
        };
        only.names = vec![name.clone()];
    }
    Ok(incoming)
}

/// Distributes the names of `entry` among its images `found`. A name that belongs to one of the images is given to that
/// image, and all others to the image that fits this machine best, which is returned first.
fn with_names(
    entry: &LayoutEntry,
    mut found: Vec<SourceImage>,
) -> Vec<(SourceImage, Vec<Reference>)> {
    if found.is_empty() {
        return Vec::new();
    }
    let best = best_position(&found);
    found.swap(0, best);
    let mut named: Vec<_> = found.into_iter().map(|image| (image, Vec::new())).collect();
    for name in &entry.names {
        let listed = entry.named_images.iter().find(|image| image.name == *name);
        let position = listed.and_then(|listed| {
            let mut images = named.iter();
            images.position(|(image, _)| image.manifest.config.digest == listed.config)
        });
        named[position.unwrap_or(0)].1.push(name.clone());
    }
    named
}

/// Returns the position of the image that fits this machine best, or 0 if none fits.
fn best_position(images: &[SourceImage]) -> usize {
    let host = Platform::host();
    let ranked = images
        .iter()
        .enumerate()
        .filter_map(|(at, image)| Some((host.rank(&image.config.platform())?, at)));
    let best = ranked.max_by_key(|(rank, at)| (*rank, Reverse(*at)));
    best.map_or(0, |(_, at)| at)
}
