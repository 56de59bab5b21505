//! What is here, and what it is called.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use jiff::{Timestamp, ZonedDateTime};

use serde_json::{Map, Value, json};
use windlass::{
    Engine, FilterUse, Filters, ImageId, ImageSummary, Platform, Reference, StoreError,
};
use windlass_engine_api as api;

use super::image_details::ImageDetails;
use super::manifests::Manifests;
use super::{blocking, image_name, reference};
use crate::Daemon;
use crate::render;
use crate::request::ApiRequest;
use crate::response::{ApiError, ApiResponse, empty, json};

/// What inspecting tells how layers are kept.
const DRIVER: &str = "windlass";
/// What Docker says of a time that is not known.
const NO_TIME: &str = "0001-01-01T00:00:00Z";
const NONE: &str = "<none>";

/// `GET /images/json`
pub(super) async fn list(
    daemon: &Arc<Daemon>,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let filters = filters(request, FilterUse::Images)?;
    let shape = Shape::of(request);
    let images = blocking(daemon, move |daemon| {
        let images = daemon.engine.images_matching(&filters);
        let mut images = images.map_err(|error| render::error::of_store(&error))?;
        for image in &mut images {
            image.names.retain(|name| filters.takes_name(name));
            image.digests.retain(|name| filters.takes_name(name));
        }
        summaries(daemon, &images, shape)
    });
    Ok(json(&images.await?))
}

/// How images are told to the version that the client speaks.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one a version, or a question"
)]
pub(super) struct Shape {
    has_virtual_size: bool,
    /// Images without a name are called `<none>:<none>`.
    names_none: bool,
    has_descriptor: bool,
    has_manifests: bool,
    has_shared_size: bool,
}

impl Shape {
    pub(super) fn of(request: &ApiRequest) -> Self {
        Self {
            has_virtual_size: !request.speaks(1, 44),
            names_none: !request.speaks(1, 43),
            has_descriptor: request.speaks(1, 48),
            has_manifests: request.speaks(1, 47) && request.query.flag("manifests"),
            has_shared_size: request.speaks(1, 42) && request.query.flag("shared-size"),
        }
    }
}

impl Shape {
    /// With how much of each image others have, too.
    pub(super) fn with_shared_size(self) -> Self {
        Self {
            has_shared_size: true,
            ..self
        }
    }
}

/// Reads the filters, and refuses those that there are not.
pub(super) fn filters(request: &ApiRequest, usage: FilterUse) -> Result<Filters, ApiError> {
    let values = api::FilterValues::parse(request.query.get("filters"));
    let mut values =
        values.map_err(|error| ApiError::bad_request(windlass::text::error_chain(&error)))?;
    // As of old: the name has its own parameter.
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

/// Tells of images, the youngest first.
pub(super) fn summaries(
    daemon: &Daemon,
    images: &[ImageSummary],
    shape: Shape,
) -> Result<Vec<api::ImageListItem>, ApiError> {
    let of_store = |error| render::error::of_store(&error);
    let engine = &*daemon.engine;
    let manifests = match shape.has_manifests {
        true => Some(Manifests::here(engine).map_err(of_store)?),
        false => None,
    };
    let shared = match shape.has_shared_size {
        true => shared_sizes(engine).map_err(of_store)?,
        false => BTreeMap::new(),
    };
    let told = images.iter().filter_map(|image| {
        let details = daemon.details.of_listed(engine, image)?;
        let mut told = summary(image, &details, shape);
        if let Some(manifests) = &manifests {
            // What is damaged has none to tell of.
            told.manifests = Some(manifests.of(engine, image).unwrap_or_default());
        }
        if let Some(shared) = shared.get(&image.id) {
            told.shared_size = signed(*shared);
        }
        Some(told)
    });
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|image| Reverse(image.created));
    Ok(told)
}

/// Returns how much of each image others have, too.
fn shared_sizes(engine: &Engine) -> Result<BTreeMap<ImageId, u64>, StoreError> {
    let usage = engine.disk_usage()?;
    let sizes = usage.each_image.into_iter();
    Ok(sizes.map(|usage| (usage.image.id, usage.shared)).collect())
}

fn summary(image: &ImageSummary, details: &ImageDetails, shape: Shape) -> api::ImageListItem {
    let size = signed(image.size);
    let (mut tags, mut digests) = (familiar(&image.names), familiar(&image.digests));
    if shape.names_none && tags.is_empty() && digests.is_empty() {
        tags.push(format!("{NONE}:{NONE}"));
        digests.push(format!("{NONE}@{NONE}"));
    }
    // Of the two, the one that is empty was missing.
    let has_null = shape.names_none;
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
        virtual_size: shape.has_virtual_size.then_some(size),
        descriptor: details.descriptor.clone().filter(|_| shape.has_descriptor),
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
    let wanted = request
        .query
        .get("platform")
        .map(parse_platform)
        .transpose()?;
    let shape = Shape::of(request);
    let version = Version {
        has_container: !request.speaks(1, 45),
        has_whole_config: !request.speaks(1, 50),
    };
    let inspected = blocking(daemon, move |daemon| {
        let image = daemon
            .engine
            .image(&name)
            .map_err(|error| render::error::of_store(&error))?;
        if let Some(wanted) = &wanted
            && wanted.rank(&image.platform).is_none()
        {
            return Err(ApiError::not_found(format!(
                "image with reference {name} was found but does not provide the specified platform ({wanted})"
            )));
        }
        let details = daemon.details.of(&daemon.engine, &image);
        let details = details.map_err(|error| render::error::of_store(&error))?;
        let mut inspected = inspection(&image, &details, shape, version);
        if shape.has_descriptor && shape.has_manifests {
            let manifests = Manifests::here(&daemon.engine);
            let manifests = manifests.and_then(|manifests| manifests.of(&daemon.engine, &image));
            inspected.manifests = Some(manifests.map_err(|error| render::error::of_store(&error))?);
        }
        Ok(inspected)
    });
    Ok(json(&inspected.await?))
}

/// What inspecting told in older versions.
#[derive(Clone, Copy, Debug)]
struct Version {
    has_container: bool,
    has_whole_config: bool,
}

fn inspection(
    image: &ImageSummary,
    details: &ImageDetails,
    shape: Shape,
    version: Version,
) -> api::ImageInspect {
    let size = signed(image.size);
    let platform = &image.platform;
    let config = match version.has_whole_config {
        true => whole(&details.config),
        false => details.config.clone(),
    };
    api::ImageInspect {
        id: image.id.to_string(),
        repo_tags: familiar(&image.names),
        repo_digests: familiar(&image.digests),
        parent: String::new(),
        comment: details.comment.clone(),
        created: image.created.clone(),
        container: version.has_container.then(String::new),
        container_config: version
            .has_container
            .then(|| Value::Object(whole(&Map::new()))),
        docker_version: details.docker_version.clone(),
        author: details.author.clone(),
        config: Value::Object(config),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
        os: platform.os.clone(),
        os_version: details.os_version.clone(),
        size,
        virtual_size: shape.has_virtual_size.then_some(size),
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
        descriptor: details.descriptor.clone().filter(|_| shape.has_descriptor),
        manifests: None,
    }
}

/// Adds what a container's config has: older clients read it without asking whether it is there.
fn whole(config: &Map<String, Value>) -> Map<String, Value> {
    let defaults = json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
        "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": null, "Cmd": null,
        "Image": "", "Volumes": null, "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": null,
    });
    let Value::Object(mut whole) = defaults else {
        return config.clone();
    };
    whole.extend(config.clone());
    whole
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

/// Reads a platform: `os/arch[/variant]`, or the JSON of one.
pub(super) fn parse_platform(text: &str) -> Result<Platform, ApiError> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|error: windlass::PlatformError| ApiError::bad_request(error.to_string()))
    };
    if !text.trim_start().starts_with('{') {
        return parse(text);
    }
    let read: api::OciPlatform = serde_json::from_str(text).map_err(|_| {
        ApiError::bad_request(format!("invalid platform {text:?}: it is no JSON of one"))
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

/// Reads a time as configs have it, in seconds since 1970.
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
