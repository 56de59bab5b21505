//! What is asked of a daemon that runs containers: lists are empty, pruning frees nothing, nothing is found, and
//! nothing is undertaken.

use http::StatusCode;
use serde_json::json;

use super::route::{Elsewhere, Kind};
use crate::answer::{Answer, Failure, json};

/// What whoever wants to run something is told. The CLI prints it as it is.
const IMAGES_ONLY: &str = "this daemon keeps images and runs nothing: containers, builds, networks, volumes and plugins \
                           are another's work";

/// Answers.
pub(crate) fn answer(what: &Elsewhere) -> Result<Answer, Failure> {
    Ok(match what {
        Elsewhere::Containers | Elsewhere::Networks | Elsewhere::Plugins => json(&json!([])),
        Elsewhere::Volumes => json(&json!({"Volumes": [], "Warnings": null})),
        Elsewhere::Prune(what) => json(&match *what {
            "containers" => json!({"ContainersDeleted": null, "SpaceReclaimed": 0}),
            "networks" => json!({"NetworksDeleted": null}),
            "volumes" => json!({"VolumesDeleted": [], "SpaceReclaimed": 0}),
            _ => json!({"CachesDeleted": null, "SpaceReclaimed": 0}),
        }),
        Elsewhere::Single(kind, name) => return Err(Failure::not_found(missing(*kind, name))),
        Elsewhere::Undertake => {
            return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, IMAGES_ONLY));
        }
        Elsewhere::Swarm => {
            let text =
                "This node is not a swarm manager: this daemon keeps images and runs nothing.";
            return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, text));
        }
    })
}

/// Docker's words for what is not there.
fn missing(kind: Kind, name: &str) -> String {
    match kind {
        Kind::Container => format!("No such container: {name}"),
        Kind::Network => format!("network {name} not found"),
        Kind::Volume => format!("get {name}: no such volume"),
        Kind::Plugin => format!("plugin {name:?} not found"),
    }
}
