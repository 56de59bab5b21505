//! Removing images.

use std::sync::Arc;

use http::StatusCode;
use windlass::image::{ImageName, Platform};
use windlass::{Engine, FilterUse, Prune, RemoveOptions, Removed};
use windlass_docker_api as api;

use super::execute::blocking;
use super::parameters::{filters, image_name, platform_to_remove};
use super::platform_image;
use crate::Daemon;
use crate::render;
use crate::request::ApiRequest;
use crate::response::{ApiError, ApiResponse, json};

/// `DELETE /images/{name}`
pub(super) async fn remove(
    daemon: &Arc<Daemon>,
    name: &str,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let name = image_name(name)?;
    let how = RemoveOptions {
        force: request.query.flag("force"),
    };
    let platform = platform_to_remove(&request.query)?;
    let removed = blocking(daemon, move |daemon| {
        if let Some(platform) = platform {
            check_platform(&daemon.engine, &name, &platform)?;
        }
        let removed = daemon.remove(&name, how);
        let removed = removed.map_err(|error| render::error::of_remove(&error))?;
        Ok(in_order(removed.removed.into_iter().map(to_api).collect()))
    });
    Ok(json(&removed.await?))
}

/// Fails unless the image of `name` is for `platform`, and the only one that the store has of its index.
fn check_platform(engine: &Engine, name: &ImageName, platform: &Platform) -> Result<(), ApiError> {
    let image = platform_image::find(engine, name, Some(platform))?;
    if platform_image::images_of(engine, &image)?.len() > 1 {
        return Err(ApiError::new(
            StatusCode::NOT_IMPLEMENTED,
            format!(
                "{name} has images for several platforms: removing one of them is not supported"
            ),
        ));
    }
    Ok(())
}

/// `POST /images/prune`: images without a tag, or with `dangling=false` all.
pub(super) async fn prune(
    daemon: &Arc<Daemon>,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let what = Prune {
        filters: filters(request, FilterUse::Prune)?,
        ..Prune::default()
    };
    let pruned = blocking(daemon, move |daemon| {
        let pruned = daemon.prune(&what);
        pruned.map_err(|error| ApiError::internal(windlass::text::error_chain(&error)))
    });
    let pruned = pruned.await?;
    let removed = in_order(pruned.removed.into_iter().map(to_api).collect());
    Ok(json(&api::PruneReport {
        images_deleted: Some(removed).filter(|removed| !removed.is_empty()),
        space_reclaimed: pruned.freed,
    }))
}

/// Sorts the names of one image, as in Docker; the images that were deleted follow.
fn in_order(mut removed: Vec<api::DeletedImage>) -> Vec<api::DeletedImage> {
    let is_name = |removed: &api::DeletedImage| matches!(removed, api::DeletedImage::Untagged(_));
    for run in removed.chunk_by_mut(|one, next| is_name(one) && is_name(next)) {
        run.sort_by_key(|removed| match removed {
            api::DeletedImage::Untagged(name) => name.clone(),
            api::DeletedImage::Deleted(_) => String::new(),
        });
    }
    removed
}

fn to_api(removed: Removed) -> api::DeletedImage {
    match removed {
        Removed::Untagged(name) => api::DeletedImage::Untagged(name),
        Removed::Deleted(digest) => api::DeletedImage::Deleted(digest.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_up_to_the_next_image() {
        let untagged = |name: &str| api::DeletedImage::Untagged(name.to_owned());
        let deleted = |digest: &str| api::DeletedImage::Deleted(digest.to_owned());
        let removed = vec![
            untagged("b:1"),
            untagged("a:1"),
            deleted("sha256:2"),
            deleted("sha256:1"),
            untagged("a:0"),
        ];
        let sorted = serde_json::to_value(in_order(removed)).unwrap();
        let expected = serde_json::json!([
            {"Untagged": "a:1"},
            {"Untagged": "b:1"},
            {"Deleted": "sha256:2"},
            {"Deleted": "sha256:1"},
            {"Untagged": "a:0"},
        ]);
        assert_eq!(sorted, expected);
    }
}
