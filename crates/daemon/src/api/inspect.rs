//! Inspects images.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use windlass::image::ImageSummary;
use windlass_docker_api as api;

use super::execute::blocking;
use super::image_details::ImageDetails;
use super::manifests::Manifests;
use super::parameters::{self, image_name};
use super::platform_image;
use super::response_format::ResponseFormat;
use super::values::{NO_TIME, familiar, signed, time};
use crate::Daemon;
use crate::render;
use crate::request::ApiRequest;
use crate::response::{ApiError, ApiResponse, json};

/// The name of the storage driver in the result of an inspection.
const DRIVER: &str = "windlass";

/// `GET /images/{name}/json`
pub(super) async fn inspect(
    daemon: &Arc<Daemon>,
    name: &str,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let name = image_name(name)?;
    let platform = parameters::platform(&request.query)?;
    let format = ResponseFormat::of(request);
    if format.has_manifests && platform.is_some() {
        return Err(ApiError::bad_request(
            "conflicting options: manifests and platform options cannot both be set",
        ));
    }
    let legacy = LegacyFields {
        has_container: !request.is_at_least(1, 45),
        has_whole_config: !request.is_at_least(1, 50),
        no_time: (!request.is_at_least(1, 44)).then_some(NO_TIME),
    };
    let inspected = blocking(daemon, move |daemon| {
        let image = platform_image::find(&daemon.engine, &name, platform.as_ref())?;
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
    /// The time of an image that has none.
    no_time: Option<&'static str>,
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
        false => with_image_fields(&details.config),
    };
    api::ImageInspect {
        id: image.id.to_string(),
        repo_tags: familiar(&image.names),
        repo_digests: familiar(&image.digests),
        parent: String::new(),
        comment: details.comment.clone(),
        created: image.created.clone().or(legacy.no_time.map(str::to_owned)),
        container: legacy.has_container.then(String::new),
        container_config: legacy
            .has_container
            .then(|| Value::Object(with_all_fields(&Map::new()))),
        docker_version: details.docker_version.clone(),
        author: details.author.clone(),
        config: Value::Object(config),
        architecture: platform.architecture.clone(),
        // As in the config: the parsed platform has no `v8` of `arm64`.
        variant: details.variant.clone().or(platform.variant.clone()),
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

/// Adds the remaining fields of a container configuration, which clients of versions before 1.50 require.
fn with_all_fields(config: &Map<String, Value>) -> Map<String, Value> {
    let containers = json!({
        "Hostname": "", "Domainname": "", "AttachStdin": false, "AttachStdout": false, "AttachStderr": false,
        "Tty": false, "OpenStdin": false, "StdinOnce": false, "Image": "",
    });
    with_fields(&containers, &with_image_fields(config))
}

/// Adds the remaining fields of the configuration of an image, which every version has.
fn with_image_fields(config: &Map<String, Value>) -> Map<String, Value> {
    let images = json!({
        "User": "", "Env": null, "Cmd": null, "Volumes": null, "WorkingDir": "", "Entrypoint": null, "OnBuild": null,
        "Labels": null,
    });
    with_fields(&images, config)
}

/// Returns `defaults` with the fields of `config`.
fn with_fields(defaults: &Value, config: &Map<String, Value>) -> Map<String, Value> {
    let mut all = defaults.as_object().cloned().unwrap_or_default();
    all.extend(config.clone());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_clients_get_all_fields_of_a_config() {
        let Value::Object(config) = json!({"Cmd": ["sh"], "Extra": 1}) else {
            panic!("an object");
        };
        let all = with_all_fields(&config);
        assert_eq!(all["Cmd"], json!(["sh"]));
        assert_eq!(all["Extra"], 1);
        assert_eq!(all["Entrypoint"], Value::Null);
        assert_eq!(all["Tty"], false);

        let new = with_image_fields(&config);
        assert_eq!((&new["Labels"], &new["User"]), (&Value::Null, &json!("")));
        assert_eq!(new.get("Tty"), None);
    }
}
