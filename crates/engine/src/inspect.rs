//! The details of one image, in the form of `docker inspect`.

use serde::Serialize;
use serde_json::Value;
use windlass_oci::{DiffId, Digest, ImageConfig, ImageId, ImageName, Reference};

use crate::engine::Engine;
use crate::store_error::StoreError;

/// The details of an image. Serialises to one element of the output of `docker inspect`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inspection {
    /// The image.
    pub id: ImageId,
    /// Its tags, in their short forms.
    pub repo_tags: Vec<String>,
    /// Its digest references, in their short forms.
    pub repo_digests: Vec<String>,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// When it was created, as recorded in its config.
    pub created: Option<String>,
    /// Its author, as recorded in its config.
    pub author: String,
    /// The processor architecture.
    pub architecture: String,
    /// The variant of the architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system.
    pub os: String,
    /// Bytes of file content in its layers.
    pub size: u64,
    /// The configuration of containers: this part of the config, unchanged.
    pub config: Value,
    /// Its layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
}

/// The layers of an image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "Type")]
    pub kind: &'static str,
    /// The diff IDs, base first.
    pub layers: Vec<DiffId>,
}

impl Engine {
    /// Returns the details of an image.
    pub fn inspect(&self, name: &ImageName) -> Result<Inspection, StoreError> {
        let image = self.store.image(name)?;
        let bytes = self.store.read_blob(image.id.digest())?;
        let config = ImageConfig::parse(&bytes)?;
        let platform = config.platform();
        let size = image.size();
        Ok(Inspection {
            id: image.id,
            repo_tags: image
                .tags
                .iter()
                .map(|tag| tag.reference.familiar())
                .collect(),
            repo_digests: image.digests.iter().map(Reference::familiar).collect(),
            manifest: image.manifest,
            created: config.created,
            author: config.author.unwrap_or_default(),
            architecture: platform.architecture,
            variant: platform.variant,
            os: platform.os,
            size,
            config: run_config(&bytes),
            root_fs: RootFs {
                kind: "layers",
                layers: config.rootfs.diff_ids,
            },
        })
    }
}

/// Returns the `config` of the config unchanged, with members of any kind.
fn run_config(config: &[u8]) -> Value {
    let document: Result<Value, _> = serde_json::from_slice(config);
    document
        .ok()
        .and_then(|mut document| document.get_mut("config").map(Value::take))
        .unwrap_or_default()
}
