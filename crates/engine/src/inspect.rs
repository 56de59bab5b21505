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
    /// When it was stored, in seconds since 1970.
    #[serde(skip)]
    pub pulled: u64,
    /// Its author, as recorded in its config.
    pub author: String,
    /// The comment in its config, or of its last build step; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// The version of Docker that built it, as recorded in its config; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub docker_version: String,
    /// The processor architecture.
    pub architecture: String,
    /// The variant of the architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system.
    pub os: String,
    /// The version of the operating system, as recorded in its config; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os_version: String,
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
        let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
        let last_step = config.history.last();
        let comment = last_step.and_then(|step| step.comment.clone());
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
            pulled: image.pulled,
            author: config.author.unwrap_or_default(),
            comment: text("comment").or(comment).unwrap_or_default(),
            docker_version: text("docker_version").unwrap_or_default(),
            architecture: platform.architecture,
            variant: platform.variant,
            os: platform.os,
            os_version: platform.os_version.unwrap_or_default(),
            size,
            config: document.get("config").cloned().unwrap_or_default(),
            root_fs: RootFs {
                kind: "layers",
                layers: config.rootfs.diff_ids,
            },
        })
    }
}
