//! What is said about the daemon itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::images::ImageListItem;

/// What an answer says that is an error (API-3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// Why, in one line.
    pub message: String,
}

/// The answer of `GET /version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SystemVersion {
    /// The product.
    pub platform: BTreeMap<String, String>,
    /// Its parts.
    pub components: Vec<VersionComponent>,
    /// Its version.
    pub version: String,
    /// The newest version of the API that it speaks.
    pub api_version: String,
    /// The oldest.
    #[serde(rename = "MinAPIVersion")]
    pub min_api_version: String,
    /// The commit that it was built of.
    pub git_commit: String,
    /// Of Docker, what it was built with; here it is empty.
    pub go_version: String,
    /// The operating system.
    pub os: String,
    /// The processor, in Go's words.
    pub arch: String,
    /// The kernel.
    pub kernel_version: String,
    /// When it was built; empty.
    pub build_time: String,
}

/// A part of the product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionComponent {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// More about it.
    pub details: BTreeMap<String, String>,
}

/// The answer of `GET /system/df`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SystemDiskUsage {
    /// Bytes of unpacked layers.
    pub layers_size: i64,
    /// The images.
    pub images: Vec<ImageListItem>,
    /// None.
    pub containers: [Value; 0],
    /// None.
    pub volumes: [Value; 0],
    /// None.
    pub build_cache: [Value; 0],
    /// 0, up to 1.41.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder_size: Option<i64>,
}

/// A line of `GET /events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventMessage {
    /// What happened, for old clients.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// To what, for old clients.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// `image`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What happened.
    #[serde(rename = "Action")]
    pub action: String,
    /// To what.
    #[serde(rename = "Actor")]
    pub actor: EventActor,
    /// `local`.
    pub scope: String,
    /// When, in seconds since 1970.
    pub time: i64,
    /// When, in nanoseconds.
    #[serde(rename = "timeNano")]
    pub time_nano: i64,
}

/// What something happened to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventActor {
    /// Its name or ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// More about it.
    #[serde(rename = "Attributes")]
    pub attributes: BTreeMap<String, String>,
}
