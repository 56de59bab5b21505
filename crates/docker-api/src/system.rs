//! Types of the system endpoints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::images::ImageListItem;

/// The body of an error response (API-3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// The error and its causes, on one line.
    pub message: String,
}

/// The response to `GET /version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SystemVersion {
    /// The name of the product, under the key `Name`.
    pub platform: BTreeMap<String, String>,
    /// The components of the product.
    pub components: Vec<VersionComponent>,
    /// The version of the product.
    pub version: String,
    /// The newest API version that is supported.
    pub api_version: String,
    /// The oldest API version that is supported.
    #[serde(rename = "MinAPIVersion")]
    pub min_api_version: String,
    /// The commit that the product was built from.
    pub git_commit: String,
    /// The version of Go that Docker was built with; always empty here.
    pub go_version: String,
    /// The operating system.
    pub os: String,
    /// The processor architecture, with Go's name.
    pub arch: String,
    /// The version of the kernel.
    pub kernel_version: String,
    /// The time of the build; always empty.
    pub build_time: String,
}

/// A component of the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionComponent {
    /// The name of the component.
    pub name: String,
    /// The version of the component.
    pub version: String,
    /// Further details.
    pub details: BTreeMap<String, String>,
}

/// The response to `GET /system/df`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SystemDiskUsage {
    /// The bytes of all unpacked layers.
    pub layers_size: i64,
    /// The images; `None` if they were not requested, here and below.
    pub images: Option<Vec<ImageListItem>>,
    /// Empty.
    pub containers: Option<[Value; 0]>,
    /// Empty.
    pub volumes: Option<[Value; 0]>,
    /// Empty.
    pub build_cache: Option<[Value; 0]>,
    /// Always 0; up to API version 1.41.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder_size: Option<i64>,
}

/// An element of the response stream of `GET /events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventMessage {
    /// The same as `action`, for old clients.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The ID of the actor, for old clients.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The type of the object; always `image`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The action, such as `pull`.
    #[serde(rename = "Action")]
    pub action: String,
    /// The object of the action.
    #[serde(rename = "Actor")]
    pub actor: EventActor,
    /// Always `local`.
    pub scope: String,
    /// The time of the event, in seconds since 1970.
    pub time: i64,
    /// The time of the event, in nanoseconds since 1970.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// The object of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventActor {
    /// The name or ID of the object.
    #[serde(rename = "ID")]
    pub id: String,
    /// Attributes of the object.
    #[serde(rename = "Attributes")]
    pub attributes: BTreeMap<String, String>,
}
