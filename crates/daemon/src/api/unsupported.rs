//! Requests that only a daemon with containers can serve: lists are empty, pruning frees nothing, objects are not found,
//! and everything else is refused.

use http::StatusCode;
use serde_json::json;

use super::route::{ObjectKind, Unsupported};
use crate::response::{ApiError, ApiResponse, json};

/// The error of requests to run something. The CLI prints it as it is.
const IMAGES_ONLY: &str =
    "this daemon manages images only: it has no containers, builds, networks, volumes and plugins";

/// The beginning of the names of containers in which buildx runs builders.
const BUILDER: &str = "buildx_buildkit_";

/// Returns the response.
pub(crate) fn respond(what: &Unsupported) -> Result<ApiResponse, ApiError> {
    Ok(match what {
        Unsupported::Containers | Unsupported::Networks | Unsupported::Plugins => json(&json!([])),
        Unsupported::Volumes => json(&json!({"Volumes": [], "Warnings": null})),
        Unsupported::Prune(what) => json(&match *what {
            "containers" => json!({"ContainersDeleted": null, "SpaceReclaimed": 0}),
            "networks" => json!({"NetworksDeleted": null}),
            "volumes" => json!({"VolumesDeleted": [], "SpaceReclaimed": 0}),
            _ => json!({"CachesDeleted": null, "SpaceReclaimed": 0}),
        }),
        // buildx would pull the image of its builder before it finds out that it cannot start a container.
        Unsupported::Object(ObjectKind::Container, name) if name.starts_with(BUILDER) => {
            return Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, IMAGES_ONLY));
        }
        Unsupported::Object(kind, name) => return Err(ApiError::not_found(missing(*kind, name))),
        Unsupported::Run => {
            return Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, IMAGES_ONLY));
        }
        Unsupported::Swarm => {
            let text = "This node is not a swarm manager: this daemon manages images only.";
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text));
        }
    })
}

/// Returns Docker's message for an object that does not exist.
fn missing(kind: ObjectKind, name: &str) -> String {
    match kind {
        ObjectKind::Container => format!("No such container: {name}"),
        ObjectKind::Network => format!("network {name} not found"),
        ObjectKind::Volume => format!("get {name}: no such volume"),
        ObjectKind::Plugin => format!("plugin {name:?} not found"),
    }
}
