//! Finds the image that a name refers to, for one platform if the request names one.

use windlass::Engine;
use windlass::image::{ImageId, ImageName, ImageSummary, Platform};

use crate::render;
use crate::response::ApiError;

/// Returns the image that `name` refers to. With a platform, it is the best image for it among those of the same index,
/// and an error if there is none: another platform's image is never returned instead.
pub(super) fn find(
    engine: &Engine,
    name: &ImageName,
    platform: Option<&Platform>,
) -> Result<ImageSummary, ApiError> {
    let of_store = |error| render::error::of_store(&error);
    let named = engine.image(name).map_err(of_store)?;
    let Some(platform) = platform else {
        return Ok(named);
    };
    if platform.rank(&named.platform) == Some(u32::MAX) {
        return Ok(named);
    }
    let others = images_of(engine, &named)?.into_iter();
    let ranked = others.filter_map(|(id, offered)| Some((platform.rank(&offered)?, id)));
    let Some((_, id)) = ranked.max_by_key(|(rank, _)| *rank) else {
        return Err(ApiError::not_found(format!(
            "image with reference {name} was found but does not provide the specified platform ({platform})"
        )));
    };
    let image = engine.image(&ImageName::Id(id)).map_err(of_store)?;
    Ok(ImageSummary {
        names: named.names,
        digests: named.digests,
        target: named.target,
        ..image
    })
}

/// Returns the stored images of the index, or of the manifest, that `named` was pulled as.
pub(super) fn images_of(
    engine: &Engine,
    named: &ImageSummary,
) -> Result<Vec<(ImageId, Platform)>, ApiError> {
    let trees = engine.image_trees();
    let trees = trees.map_err(|error| render::error::of_store(&error))?;
    let tree = trees.into_iter().find(|tree| tree.target == named.target);
    let platforms = tree.into_iter().flat_map(|tree| tree.platforms);
    let mut images: Vec<_> = platforms
        .filter_map(|one| Some((one.image?.id, one.platform)))
        .collect();
    if images.is_empty() {
        images.push((named.id, named.platform.clone()));
    }
    Ok(images)
}
