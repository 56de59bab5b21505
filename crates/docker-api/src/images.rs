//! Types of the image endpoints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An element of the response to `GET /images/json` (Docker's `ImageSummary`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageListItem {
    /// The number of containers that use the image; -1 if not counted.
    pub containers: i64,
    /// When the image was created, in seconds since 1970.
    pub created: i64,
    /// The image ID: the digest of its config.
    pub id: String,
    /// The labels in the config.
    pub labels: Option<BTreeMap<String, String>>,
    /// Always empty: pulled images have no parent.
    pub parent_id: String,
    /// The digest references, in familiar form.
    pub repo_digests: Option<Vec<String>>,
    /// The tags, in familiar form.
    pub repo_tags: Option<Vec<String>>,
    /// The bytes in layers that other images have, too; -1 if not requested.
    pub shared_size: i64,
    /// The bytes of file content in the layers.
    pub size: i64,
    /// The same as `size`; up to API version 1.43.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<i64>,
    /// The manifest or index that the names refer to; from API version 1.48 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<OciDescriptor>,
    /// The manifests of the index, if requested; from API version 1.47 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Vec<ImageManifestSummary>>,
}

/// A descriptor, with the field names of the OCI image specification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OciDescriptor {
    /// The media type of the content.
    pub media_type: String,
    /// The digest of the content.
    pub digest: String,
    /// The size of the content, in bytes.
    pub size: i64,
    /// The platform, for an entry of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<OciPlatform>,
    /// The annotations, for an entry of an index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A platform, with the field names of the OCI image specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OciPlatform {
    /// The processor architecture.
    #[serde(default)]
    pub architecture: String,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// The version of the operating system.
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    /// The variant of the architecture.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// An entry of an image's index (Docker's `ImageManifestSummary`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageManifestSummary {
    /// The digest of the manifest.
    #[serde(rename = "ID")]
    pub id: String,
    /// The descriptor in the index.
    pub descriptor: OciDescriptor,
    /// Whether the manifest and all its blobs are stored.
    pub available: bool,
    /// The disk usage of the manifest.
    pub size: ManifestSize,
    /// `image`, `attestation` or `unknown`.
    pub kind: String,
    /// Details, if it is the manifest of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_data: Option<ManifestImageData>,
}

/// The disk usage of a manifest, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManifestSize {
    /// The size of the stored blobs.
    pub content: i64,
    /// The size of the stored blobs and the unpacked layers.
    pub total: i64,
}

/// Details of an image in an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManifestImageData {
    /// The platform of the image.
    pub platform: OciPlatform,
    /// The containers that use the image; always empty.
    pub containers: Vec<String>,
    /// The bytes of the unpacked layers, under the key `Unpacked`.
    pub size: BTreeMap<String, i64>,
}

/// The response to `GET /images/{name}/json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageInspect {
    /// The image ID: the digest of its config.
    pub id: String,
    /// The tags, in familiar form.
    pub repo_tags: Vec<String>,
    /// The digest references, in familiar form.
    pub repo_digests: Vec<String>,
    /// Always empty.
    pub parent: String,
    /// The comment of the last build step.
    pub comment: String,
    /// When the image was created, as in the config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Always empty; up to API version 1.44.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// An empty container config; up to API version 1.44.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_config: Option<Value>,
    /// The version of Docker that created the image, as in the config.
    pub docker_version: String,
    /// The author of the image, as in the config.
    pub author: String,
    /// The defaults for running a container.
    pub config: Value,
    /// The processor architecture.
    pub architecture: String,
    /// The variant of the architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system.
    pub os: String,
    /// The version of the operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// The bytes of file content in the layers.
    pub size: i64,
    /// The same as `size`; up to API version 1.43.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<i64>,
    /// The storage driver of the layers.
    pub graph_driver: GraphDriver,
    /// The layers.
    #[serde(rename = "RootFS")]
    pub root_fs: ImageRootFs,
    /// Local metadata.
    pub metadata: ImageMetadata,
    /// The manifest or index that the names refer to; from API version 1.48 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<OciDescriptor>,
    /// The manifests of the index, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Vec<ImageManifestSummary>>,
}

/// The storage driver of an image's layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GraphDriver {
    /// Details of the driver; always `null`.
    pub data: Option<BTreeMap<String, String>>,
    /// The name of the driver.
    pub name: String,
}

/// The layers of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageRootFs {
    /// Always `layers`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The diff IDs of the layers, base first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
}

/// Metadata of an image that is not part of the image itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageMetadata {
    /// When the image was last tagged.
    pub last_tag_time: String,
}

/// An element of the response to `GET /images/{name}/history`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryStep {
    /// The comment of the step.
    pub comment: String,
    /// When the step ran, in seconds since 1970.
    pub created: i64,
    /// The command that ran.
    pub created_by: String,
    /// The image ID for the last step; `<missing>` for the others.
    pub id: String,
    /// The bytes of file content in the layer of the step.
    pub size: i64,
    /// The tags of the image for the last step.
    pub tags: Option<Vec<String>>,
}

/// An element of the response to `DELETE /images/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletedImage {
    /// A name that was removed.
    Untagged(String),
    /// The digest of an image or layer that was removed.
    Deleted(String),
}

/// The response to `POST /images/prune`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PruneReport {
    /// The names and images that were removed; `null` if there are none.
    pub images_deleted: Option<Vec<DeletedImage>>,
    /// The bytes that were freed.
    pub space_reclaimed: u64,
}

/// An element of the response to `GET /images/search`, with the field names of Docker Hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchResult {
    /// The number of stars.
    #[serde(default)]
    pub star_count: i64,
    /// Whether it is an official image.
    #[serde(default)]
    pub is_official: bool,
    /// The name of the repository.
    #[serde(default)]
    pub name: String,
    /// Whether it is an automated build; always `false` since Docker Hub removed these.
    #[serde(default)]
    pub is_automated: bool,
    /// The description by its owner.
    #[serde(default)]
    pub description: String,
}
