//! The daemon itself, and its machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;
use rustix::system::uname;
use windlass_docker_api::{self as api, NEWEST, OLDEST};

use super::execute::blocking;
use super::images::summaries;
use super::response_format::ResponseFormat;
use super::values::signed;
use crate::Daemon;
use crate::metrics::CONTENT_TYPE;
use crate::render;
use crate::request::{ApiRequest, QueryParameters};
use crate::response::{self, ApiError, ApiResponse, with};

const METRICS: HeaderValue = HeaderValue::from_static(CONTENT_TYPE);

/// `GET /_ping`: clients negotiate the version with it. `Builder-Version` 1 makes `docker build` send its
/// request here, so that the user gets the sentence that refuses it; with 2 old clients report a protocol error.
pub(super) fn ping() -> ApiResponse {
    let headers = [
        ("builder-version", "1"),
        ("swarm", "inactive"),
        ("cache-control", "no-cache, no-store, must-revalidate"),
        ("pragma", "no-cache"),
    ];
    let ping = response::text("OK");
    headers
        .into_iter()
        .fold(ping, |ping, (name, value)| with(ping, name, value))
}

/// `GET /version`
pub(super) fn version(daemon: &Daemon) -> ApiResponse {
    let (kernel, arch) = machine();
    let details = [
        ("ApiVersion", NEWEST.to_string()),
        ("MinAPIVersion", OLDEST.to_string()),
        ("Os", "linux".to_owned()),
        ("Arch", arch.to_owned()),
        ("KernelVersion", kernel.clone()),
        ("Experimental", "false".to_owned()),
    ];
    let details = details.map(|(key, value)| (key.to_owned(), value));
    let version = daemon.info().version.clone();
    response::json(&api::SystemVersion {
        platform: BTreeMap::from([("Name".to_owned(), format!("windlass {version}"))]),
        components: vec![api::VersionComponent {
            name: "Engine".to_owned(),
            version: version.clone(),
            details: details.into(),
        }],
        version,
        api_version: NEWEST.to_string(),
        min_api_version: OLDEST.to_string(),
        git_commit: String::new(),
        go_version: String::new(),
        os: "linux".to_owned(),
        arch: arch.to_owned(),
        kernel_version: kernel,
        build_time: String::new(),
    })
}

/// `GET /system/df`
pub(super) async fn disk_usage(
    daemon: &Arc<Daemon>,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let format = ResponseFormat::of(request).with_shared_size();
    let types = ObjectTypes::of(&request.query)?;
    let has_builder = !request.is_at_least(1, 42);
    let usage = blocking(daemon, move |daemon| {
        let (images, layers) = match types.has(IMAGE) {
            true => image_usage(daemon, format).map(|(images, layers)| (Some(images), layers))?,
            false => (None, 0),
        };
        Ok(api::SystemDiskUsage {
            layers_size: signed(layers),
            images,
            containers: types.has(CONTAINER).then_some([]),
            volumes: types.has(VOLUME).then_some([]),
            build_cache: types.has(BUILD_CACHE).then_some([]),
            builder_size: has_builder.then_some(0),
        })
    });
    Ok(response::json(&usage.await?))
}

/// Returns the images, and the size of all layers in bytes.
fn image_usage(
    daemon: &Daemon,
    format: ResponseFormat,
) -> Result<(Vec<api::ImageListItem>, u64), ApiError> {
    let of_store = |error| render::error::of_store(&error);
    let usage = daemon.engine.disk_usage().map_err(of_store)?;
    let images = daemon.engine.images().map_err(of_store)?;
    let mut images = summaries(daemon, &images, format)?;
    for image in &mut images {
        image.containers = 0;
    }
    Ok((images, usage.layers.size))
}

const IMAGE: &str = "image";
const CONTAINER: &str = "container";
const VOLUME: &str = "volume";
const BUILD_CACHE: &str = "build-cache";

/// The types of objects whose disk usage a client requests; empty for all.
struct ObjectTypes(Vec<String>);

impl ObjectTypes {
    fn of(query: &QueryParameters) -> Result<Self, ApiError> {
        let types: Vec<_> = query.all("type").map(str::to_owned).collect();
        let known = [IMAGE, CONTAINER, VOLUME, BUILD_CACHE];
        match types.iter().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(ApiError::bad_request(format!(
                "unknown object type: {unknown}"
            ))),
            None => Ok(Self(types)),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|requested| requested == name)
    }
}

/// `GET /metrics`
pub(super) async fn metrics(daemon: &Arc<Daemon>) -> Result<ApiResponse, ApiError> {
    let text = blocking(daemon, |daemon| {
        let usage = daemon.engine.disk_usage().ok();
        Ok(daemon
            .metrics
            .encode(usage.as_ref(), &daemon.info().version))
    });
    Ok(response::text_of(METRICS, text.await?))
}

/// Returns the version of the kernel, and the architecture by its name in Go.
pub(super) fn machine() -> (String, &'static str) {
    let kernel = uname().release().to_string_lossy().into_owned();
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    (kernel, arch)
}
