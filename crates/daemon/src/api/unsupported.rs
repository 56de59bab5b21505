//! What is asked of a daemon that runs containers: lists are empty, pruning frees nothing, nothing is found, and
//! nothing is undertaken.

use http::StatusCode;
use serde_json::json;

use super::route::{ObjectKind, Unsupported};
use crate::response::{ApiError, ApiResponse, json};

/// What whoever wants to run something is told. The CLI prints it as it is.
const IMAGES_ONLY: &str = "this daemon keeps images and runs nothing: containers, builds, networks, volumes and plugins \
                           are another's work";

/// Answers.
pub(crate) fn answer(what: &Unsupported) -> Result<ApiResponse, ApiError> {
    Ok(match what {
        Unsupported::Containers | Unsupported::Networks | Unsupported::Plugins => json(&json!([])),
        Unsupported::Volumes => json(&json!({"Volumes": [], "Warnings": null})),
        Unsupported::Prune(what) => json(&match *what {
            "containers" => json!({"ContainersDeleted": null, "SpaceReclaimed": 0}),
            "networks" => json!({"NetworksDeleted": null}),
            "volumes" => json!({"VolumesDeleted": [], "SpaceReclaimed": 0}),
            _ => json!({"CachesDeleted": null, "SpaceReclaimed": 0}),
        }),
        Unsupported::Single(kind, name) => return Err(ApiError::not_found(missing(*kind, name))),
        Unsupported::Run => {
            return Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, IMAGES_ONLY));
        }
        Unsupported::Swarm => {
            let text =
                "This node is not a swarm manager: this daemon keeps images and runs nothing.";
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text));
        }
    })
}

/// Docker's words for what is not there.
fn missing(kind: ObjectKind, name: &str) -> String {
    match kind {
        ObjectKind::Container => format!("No such container: {name}"),
        ObjectKind::Network => format!("network {name} not found"),
        ObjectKind::Volume => format!("get {name}: no such volume"),
        ObjectKind::Plugin => format!("plugin {name:?} not found"),
    }
}
