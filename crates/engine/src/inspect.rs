//! Everything about one image, in the form that `docker inspect` gave it and scripts read it in.

use serde::Serialize;
use serde_json::Value;
use windlass_oci::{DiffId, Digest, ImageConfig, ImageId, ImageName, Reference};

use crate::Engine;
use crate::error::StoreError;

/// What is known of an image. Serialises to one element of what `docker inspect` prints.
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
    /// When it was made, as its config says.
    pub created: Option<String>,
    /// Who made it, as its config says.
    pub author: String,
    /// The processor architecture that it is for.
    pub architecture: String,
    /// The generation of the architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system that it is for.
    pub os: String,
    /// Bytes of file content in its layers.
    pub size: u64,
    /// How to run it: that part of the config, as it is.
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
    /// Returns everything about an image.
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

/// Returns the config's `config` as it is: nothing that somebody put there is lost.
fn run_config(config: &[u8]) -> Value {
    let document: Result<Value, _> = serde_json::from_slice(config);
    document
        .ok()
        .and_then(|mut document| document.get_mut("config").map(Value::take))
        .unwrap_or_default()
}
