//! What is said about images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line of `GET /images/json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageListItem {
    /// How many containers use it; -1 where nobody has counted.
    pub containers: i64,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// The digest of its config.
    pub id: String,
    /// The labels of its config.
    pub labels: Option<BTreeMap<String, String>>,
    /// Always empty: what was pulled has no parent.
    pub parent_id: String,
    /// Its digest references, in their short forms.
    pub repo_digests: Option<Vec<String>>,
    /// Its tags, in their short forms.
    pub repo_tags: Option<Vec<String>>,
    /// Bytes in layers that other images have, too; -1 where that was not asked for.
    pub shared_size: i64,
    /// Bytes of file content in its layers.
    pub size: i64,
    /// The same, up to 1.43.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<i64>,
    /// What its names stand for, from 1.48 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<OciDescriptor>,
    /// The manifests of its index, where they were asked for, from 1.47 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Vec<ImageManifestSummary>>,
}

/// A descriptor, with the names of the OCI specification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OciDescriptor {
    /// What it is.
    pub media_type: String,
    /// The digest of its bytes.
    pub digest: String,
    /// How many there are.
    pub size: i64,
    /// What runs it, of an image in an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<OciPlatform>,
    /// What was said about it there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A platform, with the names of the OCI specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OciPlatform {
    /// The processor.
    #[serde(default)]
    pub architecture: String,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// Its version.
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    /// The generation of the processor.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// An entry of an image's index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageManifestSummary {
    /// The digest of the manifest.
    #[serde(rename = "ID")]
    pub id: String,
    /// What the index says of it.
    pub descriptor: OciDescriptor,
    /// Whether all of it is here.
    pub available: bool,
    /// What it takes up.
    pub size: ManifestSize,
    /// `image`, `attestation` or `unknown`.
    pub kind: String,
    /// What it is if it is an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_data: Option<ManifestImageData>,
}

/// What a manifest takes up, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManifestSize {
    /// Its blobs that are here.
    pub content: i64,
    /// Those, and its unpacked layers.
    pub total: i64,
}

/// What is known of an image in an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManifestImageData {
    /// What runs it.
    pub platform: OciPlatform,
    /// The containers that use it: none here.
    pub containers: Vec<String>,
    /// Bytes of its unpacked layers, under `Unpacked`.
    pub size: BTreeMap<String, i64>,
}

/// The answer of `GET /images/{name}/json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageInspect {
    /// The digest of its config.
    pub id: String,
    /// Its tags.
    pub repo_tags: Vec<String>,
    /// Its digest references.
    pub repo_digests: Vec<String>,
    /// Always empty.
    pub parent: String,
    /// The remark of its last step.
    pub comment: String,
    /// When it was made, as its config says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Always empty; up to 1.44.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Up to 1.44.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_config: Option<Value>,
    /// What made it, as its config says.
    pub docker_version: String,
    /// Who made it, as its config says.
    pub author: String,
    /// How to run it.
    pub config: Value,
    /// The processor.
    pub architecture: String,
    /// Its generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system.
    pub os: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Bytes of file content in its layers.
    pub size: i64,
    /// The same, up to 1.43.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_size: Option<i64>,
    /// How its layers are kept.
    pub graph_driver: GraphDriver,
    /// Its layers.
    #[serde(rename = "RootFS")]
    pub root_fs: ImageRootFs,
    /// What is known of it here.
    pub metadata: ImageMetadata,
    /// What its names stand for, from 1.48 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<OciDescriptor>,
    /// The manifests of its index, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Vec<ImageManifestSummary>>,
}

/// How layers are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GraphDriver {
    /// Details, of which there are none.
    pub data: Option<BTreeMap<String, String>>,
    /// The name of the way.
    pub name: String,
}

/// The layers of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageRootFs {
    /// Always `layers`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Their diff IDs, base first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
}

/// What is known of an image here alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageMetadata {
    /// When it was last given a name.
    pub last_tag_time: String,
}

/// A step of `GET /images/{name}/history`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryStep {
    /// A remark.
    pub comment: String,
    /// When, in seconds since 1970.
    pub created: i64,
    /// The command.
    pub created_by: String,
    /// The image, at the last step; `<missing>` at the others.
    pub id: String,
    /// Bytes of file content in the layer that it made.
    pub size: i64,
    /// The tags of the image, at the last step.
    pub tags: Option<Vec<String>>,
}

/// A line of the answer to `DELETE /images/{name}`: one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletedImage {
    /// A name is gone.
    Untagged(String),
    /// An image or a layer is gone.
    Deleted(String),
}

/// The answer of `POST /images/prune`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PruneReport {
    /// What is gone; `null` if nothing is.
    pub images_deleted: Option<Vec<DeletedImage>>,
    /// Bytes that are free now.
    pub space_reclaimed: u64,
}

/// A line of the answer to `GET /images/search`, with the names of Docker Hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchResult {
    /// How many like it.
    #[serde(default)]
    pub star_count: i64,
    /// Whether Docker Hub curates it.
    #[serde(default)]
    pub is_official: bool,
    /// The repository.
    #[serde(default)]
    pub name: String,
    /// Whether it is built there: no longer.
    #[serde(default)]
    pub is_automated: bool,
    /// What it is, in its owner's words.
    #[serde(default)]
    pub description: String,
}
