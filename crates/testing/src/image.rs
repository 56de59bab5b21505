//! Builds images out of layers.

mod index;

use bytes::Bytes;
use serde_json::{Value, json};
use windlass_oci::{DiffId, Digest};

use crate::PackedLayer;

pub use index::{IndexBuilder, PackedIndex};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Builds an image of one platform: an OCI image for this machine by default.
///
/// ```
/// use windlass_testing::{ImageBuilder, LayerBuilder};
///
/// let packed = ImageBuilder::new()
///     .layer(LayerBuilder::new().file("hello", b"world"))
///     .created_by("COPY hello /")
///     .config(|config| config["config"]["Cmd"] = serde_json::json!(["/hello"]))
///     .pack();
/// assert_eq!(packed.layers.len(), 1);
/// ```
///
/// The config and the manifest are JSON values that [`config`](Self::config) and [`manifest`](Self::manifest)
/// can change in any way.
#[derive(Clone, Debug)]
pub struct ImageBuilder {
    docker: bool,
    layers: Vec<PackedLayer>,
    config: Value,
    config_bytes: Option<Bytes>,
    manifest_edits: Vec<JsonEdit>,
}

/// An image as a registry stores it.
#[derive(Clone, Debug)]
pub struct PackedImage {
    /// The manifest, exactly as served.
    pub manifest: Bytes,
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest's digest.
    pub digest: Digest,
    /// The config, exactly as served.
    pub config: Bytes,
    /// The config's digest: the image ID.
    pub config_digest: Digest,
    /// The layers, base first.
    pub layers: Vec<PackedLayer>,
    /// How an index describes this image: `os`, `architecture` and, where it has one, `variant`.
    pub platform: Value,
}

/// A change to a document before it is serialized.
type JsonEdit = fn(&mut Value);

impl Default for ImageBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ImageBuilder {
    /// Starts an OCI image for this machine's platform, without layers.
    pub fn new() -> Self {
        let config = json!({
            "created": "2020-01-01T00:00:00Z",
            "architecture": host_architecture(),
            "os": "linux",
            "config": { "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] },
            "rootfs": { "type": "layers", "diff_ids": [] },
            "history": [],
        });
        Self {
            docker: false,
            layers: Vec::new(),
            config,
            config_bytes: None,
            manifest_edits: Vec::new(),
        }
    }

    /// Builds a Docker image (manifest schema 2) instead of an OCI one.
    #[must_use]
    pub fn docker(mut self) -> Self {
        self.docker = true;
        self
    }

    /// Sets the platform, `os/architecture` or `os/architecture/variant`.
    #[must_use]
    pub fn platform(mut self, platform: &str) -> Self {
        let mut parts = platform.split('/');
        for key in ["os", "architecture", "variant"] {
            if let Some(part) = parts.next() {
                self.config[key] = json!(part);
            }
        }
        self
    }

    /// Adds a layer on top.
    #[must_use]
    pub fn layer(mut self, layer: impl Into<PackedLayer>) -> Self {
        let layer = layer.into();
        push(&mut self.config["rootfs"]["diff_ids"], json!(layer.diff_id));
        self.layers.push(layer);
        let step = format!("layer {}", self.layers.len());
        self.history(json!({ "created_by": step }))
    }

    /// Sets `created_by` of the last step in the history.
    #[must_use]
    pub fn created_by(mut self, step: &str) -> Self {
        let history = self.config["history"].as_array_mut();
        let last = history.and_then(|steps| steps.last_mut());
        last.expect("a layer comes first")["created_by"] = json!(step);
        self
    }

    /// Adds a step without a layer to the history.
    #[must_use]
    pub fn empty_step(self, step: &str) -> Self {
        self.history(json!({ "created_by": step, "empty_layer": true }))
    }

    /// Changes the current config.
    #[must_use]
    pub fn config(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        edit(&mut self.config);
        self
    }

    /// Sets the bytes of the config.
    #[must_use]
    pub fn config_bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        self.config_bytes = Some(bytes.into());
        self
    }

    /// Changes the manifest before it is serialized.
    #[must_use]
    pub fn manifest(mut self, edit: JsonEdit) -> Self {
        self.manifest_edits.push(edit);
        self
    }

    /// Builds the image.
    pub fn pack(&self) -> PackedImage {
        let (media_type, config_type) = if self.docker {
            (DOCKER_MANIFEST, DOCKER_CONFIG)
        } else {
            (OCI_MANIFEST, OCI_CONFIG)
        };
        let config = self
            .config_bytes
            .clone()
            .unwrap_or_else(|| Bytes::from(self.config.to_string()));
        let config_digest = Digest::sha256(&config);
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(config_type, config_digest, config.len() as u64),
            "layers": self.layers.iter().map(|layer| self.describe(layer)).collect::<Value>(),
        });
        for edit in &self.manifest_edits {
            edit(&mut manifest);
        }
        let manifest = Bytes::from(manifest.to_string());
        PackedImage {
            digest: Digest::sha256(&manifest),
            manifest,
            media_type: media_type.to_owned(),
            config,
            config_digest,
            layers: self.layers.clone(),
            platform: self.described_platform(),
        }
    }

    fn history(mut self, mut step: Value) -> Self {
        step["created"] = json!("2020-01-01T00:00:00Z");
        push(&mut self.config["history"], step);
        self
    }

    fn describe(&self, layer: &PackedLayer) -> Value {
        let usual = layer.compression.media_type(self.docker);
        let media_type = layer.media_type.as_deref().unwrap_or(usual);
        descriptor(media_type, layer.digest, layer.size)
    }

    fn described_platform(&self) -> Value {
        let mut platform = json!({});
        for key in ["os", "architecture", "variant", "os.version"] {
            if let Some(value) = self.config.get(key) {
                platform[key] = value.clone();
            }
        }
        platform
    }
}

impl PackedImage {
    /// Returns the digests of the layers' blobs, base first.
    pub fn layer_digests(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| layer.digest).collect()
    }

    /// Returns the layers' diff IDs, base first.
    pub fn diff_ids(&self) -> Vec<DiffId> {
        self.layers.iter().map(|layer| layer.diff_id).collect()
    }
}

impl From<ImageBuilder> for PackedImage {
    fn from(image: ImageBuilder) -> Self {
        image.pack()
    }
}

impl From<&ImageBuilder> for PackedImage {
    fn from(image: &ImageBuilder) -> Self {
        image.pack()
    }
}

impl From<&Self> for PackedImage {
    fn from(image: &Self) -> Self {
        image.clone()
    }
}

/// Returns a descriptor for a manifest or an index.
pub fn descriptor(media_type: &str, digest: Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest, "size": size })
}

fn push(list: &mut Value, item: Value) {
    list.as_array_mut()
        .expect("the config's lists are still lists when layers are added")
        .push(item);
}

/// Returns the name of this machine's architecture in images.
pub(crate) fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

#[cfg(test)]
mod tests;
