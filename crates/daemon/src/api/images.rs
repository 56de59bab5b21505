//! Lists images, their history, and tags them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use windlass::error::StoreError;
use windlass::image::{ImageId, ImageName, ImageSummary};
use windlass::{Engine, FilterUse};
use windlass_docker_api as api;

use super::execute::blocking;
use super::image_details::ImageDetails;
use super::manifests::Manifests;
use super::parameters::{self, filters, image_name, reference};
use super::platform_image;
use super::response_format::ResponseFormat;
use super::values::{familiar, seconds, signed};
use crate::Daemon;
use crate::render;
use crate::request::ApiRequest;
use crate::response::{ApiError, ApiResponse, empty, json};

const NONE: &str = "<none>";

/// `GET /images/json`
pub(super) async fn list(
    daemon: &Arc<Daemon>,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let filters = filters(request, FilterUse::Images)?;
    let format = ResponseFormat::of(request);
    let images = blocking(daemon, move |daemon| {
        let images = daemon.engine.images_matching(&filters);
        let mut images = images.map_err(|error| render::error::of_store(&error))?;
        for image in &mut images {
            image.names.retain(|name| filters.selects_name(name));
            image.digests.retain(|name| filters.selects_name(name));
        }
        summaries(daemon, &images, format)
    });
    Ok(json(&images.await?))
}

/// Lists images, the newest first.
pub(super) fn summaries(
    daemon: &Daemon,
    images: &[ImageSummary],
    format: ResponseFormat,
) -> Result<Vec<api::ImageListItem>, ApiError> {
    let of_store = |error| render::error::of_store(&error);
    let engine = &*daemon.engine;
    let manifests = match format.has_manifests {
        true => Some(Manifests::read(engine).map_err(of_store)?),
        false => None,
    };
    let shared = match format.has_shared_size {
        true => shared_sizes(engine).map_err(of_store)?,
        false => BTreeMap::new(),
    };
    let listed = images.iter().filter_map(|image| {
        let details = daemon.details.of_listed(engine, image)?;
        let mut listed = summary(image, &details, format);
        if let Some(manifests) = &manifests {
            // An image whose documents are damaged has none.
            let manifests = manifests.of(engine, image).unwrap_or_default();
            // As in Docker, the size is that of everything below: `docker image ls --tree` shows both.
            let totals = manifests.iter().map(|manifest| manifest.size.total);
            let total = totals.fold(0_i64, i64::saturating_add);
            listed.size = listed.size.max(total);
            listed.manifests = Some(manifests);
        }
        if let Some(shared) = shared.get(&image.id) {
            listed.shared_size = signed(*shared);
        }
        Some(listed)
    });
    let mut listed: Vec<_> = listed.collect();
    listed.sort_by_key(|image| Reverse(image.created));
    Ok(listed)
}

/// Returns the size that each image shares with others.
fn shared_sizes(engine: &Engine) -> Result<BTreeMap<ImageId, u64>, StoreError> {
    let usage = engine.disk_usage()?;
    let sizes = usage.each_image.into_iter();
    Ok(sizes.map(|usage| (usage.image.id, usage.shared)).collect())
}

fn summary(
    image: &ImageSummary,
    details: &ImageDetails,
    format: ResponseFormat,
) -> api::ImageListItem {
    let size = signed(image.size);
    let (mut tags, mut digests) = (familiar(&image.names), familiar(&image.digests));
    if format.names_none && tags.is_empty() && digests.is_empty() {
        tags.push(format!("{NONE}:{NONE}"));
        digests.push(format!("{NONE}@{NONE}"));
    }
    // Old versions have `null` in place of an empty list.
    let has_null = format.names_none;
    let some = |names: Vec<String>| Some(names).filter(|names| !has_null || !names.is_empty());
    api::ImageListItem {
        containers: -1,
        created: details.created,
        id: image.id.to_string(),
        labels: details.labels.clone(),
        parent_id: String::new(),
        repo_digests: some(digests),
        repo_tags: some(tags),
        shared_size: -1,
        size,
        virtual_size: format.has_virtual_size.then_some(size),
        descriptor: details.descriptor.clone().filter(|_| format.has_descriptor),
        manifests: None,
    }
}

/// `GET /images/{name}/history`
pub(super) async fn history(
    daemon: &Arc<Daemon>,
    name: &str,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let name = image_name(name)?;
    let platform = parameters::platform(&request.query)?;
    let steps = blocking(daemon, move |daemon| {
        let of_store = |error| render::error::of_store(&error);
        let image = platform_image::find(&daemon.engine, &name, platform.as_ref())?;
        let tags = familiar(&image.names);
        let id = ImageName::Id(image.id);
        let steps = daemon.engine.history(&id).map_err(of_store)?;
        let steps = steps.into_iter().map(|step| api::HistoryStep {
            comment: step.comment,
            created: step
                .created
                .as_deref()
                .and_then(seconds)
                .unwrap_or_default(),
            created_by: step.created_by,
            tags: step
                .id
                .is_some()
                .then(|| tags.clone())
                .filter(|tags| !tags.is_empty()),
            id: step.id.map_or("<missing>".to_owned(), |id| id.to_string()),
            size: signed(step.size),
        });
        Ok(steps.collect::<Vec<_>>())
    });
    Ok(json(&steps.await?))
}

/// `POST /images/{name}/tag`
pub(super) async fn tag(
    daemon: &Arc<Daemon>,
    name: &str,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let source = image_name(name)?;
    let repository = request.query.get("repo").unwrap_or_default();
    let mut target = reference(repository)?;
    if target.digest().is_some() {
        return Err(ApiError::bad_request(
            "refusing to create a tag with a digest reference",
        ));
    }
    if let Some(text) = request.query.get("tag") {
        target = target.with_tag(parameters::tag(text)?);
    }
    blocking(daemon, move |daemon| {
        let tagged = daemon.tag(&source, &target);
        tagged.map_err(|error| render::error::of_tag(&error))
    })
    .await?;
    Ok(empty(StatusCode::CREATED))
}

#[cfg(test)]
mod tests;
