//! Images: lists, inspection, history and tags.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use jiff::{Timestamp, ZonedDateTime};

use serde_json::{Map, Value, json};
use windlass::error::StoreError;
use windlass::image::{ImageId, ImageSummary, Platform, Reference};
use windlass::{Engine, FilterUse, Filters};
use windlass_docker_api::{self as api, ApiVersion};

use super::image_details::ImageDetails;
use super::manifests::Manifests;
use super::{blocking, image_name, reference};
use crate::Daemon;
use crate::render;
use crate::request::{ApiRequest, QueryParameters};
use crate::response::{ApiError, ApiResponse, empty, json};

/// The name of the storage driver in the result of an inspection.
const DRIVER: &str = "windlass";
/// Docker's value for an unknown time.
const NO_TIME: &str = "0001-01-01T00:00:00Z";
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

/// The fields of an image in the version of the request.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each version or parameter"
)]
pub(super) struct ResponseFormat {
    has_virtual_size: bool,
    /// Images without a name have the name `<none>:<none>`.
    names_none: bool,
    has_descriptor: bool,
    has_manifests: bool,
    has_shared_size: bool,
}

impl ResponseFormat {
    pub(super) fn of(request: &ApiRequest) -> Self {
        Self::new(request.version, &request.query)
    }

    fn new(version: ApiVersion, query: &QueryParameters) -> Self {
        let is_at_least = |minor| version >= ApiVersion::new(1, minor);
        Self {
            has_virtual_size: !is_at_least(44),
            names_none: !is_at_least(43),
            has_descriptor: is_at_least(48),
            has_manifests: is_at_least(47) && query.flag("manifests"),
            has_shared_size: is_at_least(42) && query.flag("shared-size"),
        }
    }

    /// Adds the size that each image shares with others.
    pub(super) fn with_shared_size(self) -> Self {
        Self {
            has_shared_size: true,
            ..self
        }
    }
}

/// Parses the filters; unknown ones are an error.
pub(super) fn filters(request: &ApiRequest, usage: FilterUse) -> Result<Filters, ApiError> {
    let values = api::FilterValues::parse(request.query.get("filters"));
    let mut values =
        values.map_err(|error| ApiError::bad_request(windlass::text::error_chain(&error)))?;
    // Old clients send the name in a parameter of its own.
    if let Some(name) = request
        .query
        .get("filter")
        .filter(|_| usage == FilterUse::Images)
    {
        let names = values.0.entry("reference".to_owned()).or_default();
        names.push(name.to_owned());
    }
    let filters = Filters::from_lists(usage, &values.0, &ZonedDateTime::now());
    filters.map_err(|error| ApiError::bad_request(error.to_string()))
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
            listed.manifests = Some(manifests.of(engine, image).unwrap_or_default());
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

/// `GET /images/{name}/json`
pub(super) async fn inspect(
    daemon: &Arc<Daemon>,
    name: &str,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let name = image_name(name)?;
    let platform_filter = request
        .query
        .get("platform")
        .map(parse_platform)
        .transpose()?;
    let format = ResponseFormat::of(request);
    let legacy = LegacyFields {
        has_container: !request.is_at_least(1, 45),
        has_whole_config: !request.is_at_least(1, 50),
    };
    let inspected = blocking(daemon, move |daemon| {
        let image = daemon
            .engine
            .image(&name)
            .map_err(|error| render::error::of_store(&error))?;
        if let Some(platform_filter) = &platform_filter
            && platform_filter.rank(&image.platform).is_none()
        {
            return Err(ApiError::not_found(format!(
                "image with reference {name} was found but does not provide the specified platform ({platform_filter})"
            )));
        }
        let details = daemon.details.of(&daemon.engine, &image);
        let details = details.map_err(|error| render::error::of_store(&error))?;
        let mut inspected = inspection(&image, &details, format, legacy);
        if format.has_descriptor && format.has_manifests {
            let manifests = Manifests::read(&daemon.engine);
            let manifests = manifests.and_then(|manifests| manifests.of(&daemon.engine, &image));
            inspected.manifests = Some(manifests.map_err(|error| render::error::of_store(&error))?);
        }
        Ok(inspected)
    });
    Ok(json(&inspected.await?))
}

/// The fields of an inspection that only older versions have.
#[derive(Clone, Copy, Debug)]
struct LegacyFields {
    has_container: bool,
    has_whole_config: bool,
}

fn inspection(
    image: &ImageSummary,
    details: &ImageDetails,
    format: ResponseFormat,
    legacy: LegacyFields,
) -> api::ImageInspect {
    let size = signed(image.size);
    let platform = &image.platform;
    let config = match legacy.has_whole_config {
        true => with_all_fields(&details.config),
        false => details.config.clone(),
    };
    api::ImageInspect {
        id: image.id.to_string(),
        repo_tags: familiar(&image.names),
        repo_digests: familiar(&image.digests),
        parent: String::new(),
        comment: details.comment.clone(),
        created: image.created.clone(),
        container: legacy.has_container.then(String::new),
        container_config: legacy
            .has_container
            .then(|| Value::Object(with_all_fields(&Map::new()))),
        docker_version: details.docker_version.clone(),
        author: details.author.clone(),
        config: Value::Object(config),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
        os: platform.os.clone(),
        os_version: details.os_version.clone(),
        size,
        virtual_size: format.has_virtual_size.then_some(size),
        graph_driver: api::GraphDriver {
            data: None,
            name: DRIVER.to_owned(),
        },
        root_fs: api::ImageRootFs {
            kind: "layers".to_owned(),
            layers: details.layers.clone(),
        },
        metadata: api::ImageMetadata {
            last_tag_time: time(image.pulled),
        },
        descriptor: details.descriptor.clone().filter(|_| format.has_descriptor),
        manifests: None,
    }
}

/// Adds the remaining fields of a container configuration, which older clients require.
fn with_all_fields(config: &Map<String, Value>) -> Map<String, Value> {
    let defaults = json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
        "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": null, "Cmd": null,
        "Image": "", "Volumes": null, "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": null,
    });
    let Value::Object(mut config_with_defaults) = defaults else {
        return config.clone();
    };
    config_with_defaults.extend(config.clone());
    config_with_defaults
}

/// `GET /images/{name}/history`
pub(super) async fn history(daemon: &Arc<Daemon>, name: &str) -> Result<ApiResponse, ApiError> {
    let name = image_name(name)?;
    let steps = blocking(daemon, move |daemon| {
        let of_store = |error| render::error::of_store(&error);
        let tags = familiar(&daemon.engine.image(&name).map_err(of_store)?.names);
        let steps = daemon.engine.history(&name).map_err(of_store)?;
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
        target = target.with_tag(super::tag(text)?);
    }
    blocking(daemon, move |daemon| {
        let tagged = daemon.tag(&source, &target);
        tagged.map_err(|error| render::error::of_tag(&error))
    })
    .await?;
    Ok(empty(StatusCode::CREATED))
}

/// Parses a platform: `os/arch[/variant]`, or its JSON form.
pub(super) fn parse_platform(text: &str) -> Result<Platform, ApiError> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|error: windlass::error::PlatformError| {
                ApiError::bad_request(error.to_string())
            })
    };
    if !text.trim_start().starts_with('{') {
        return parse(text);
    }
    let read: api::OciPlatform = serde_json::from_str(text).map_err(|_| {
        ApiError::bad_request(format!("invalid platform {text:?}: it is not valid JSON"))
    })?;
    let parts = [&read.os, &read.architecture, &read.variant];
    let parts: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    parse(&parts.join("/"))
}

pub(super) fn familiar(names: &[Reference]) -> Vec<String> {
    names.iter().map(Reference::familiar).collect()
}

/// Parses a time of an image config, in seconds since 1970.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let time: Timestamp = text.parse().ok()?;
    Some(time.as_second())
}

fn time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).ok();
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or(NO_TIME.to_owned(), |time| time.to_string())
}

pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
