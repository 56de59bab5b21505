//! What any manifest leads to, image or not: enough to carry it elsewhere.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{MAX_INDEX_ENTRIES, MAX_MANIFEST_SIZE, ManifestError, document};
use crate::json::{self, bounded, read_from_objects, text_map};
use crate::{Descriptor, MediaType};

/// What a manifest or index leads to: other manifests, and blobs.
///
/// [`Manifest`](super::Manifest) reads what can be pulled. This reads attestations, signatures and other artifacts
/// as well, and judges nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManifestLinks {
    /// What the document says it is; the type of its shape, where it says nothing.
    pub media_type: MediaType,
    /// The manifests of an index.
    pub manifests: Vec<Descriptor>,
    /// The config, and then the layers or blobs.
    pub blobs: Vec<Descriptor>,
    /// What an artifact belongs to.
    pub subject: Option<Descriptor>,
    /// What kind of artifact it is: as it says itself, or else by its config.
    pub artifact_type: Option<String>,
    /// Free-form notes.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
struct Document {
    #[serde(default)]
    media_type: MediaType,
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "bounded::<_, MAX_INDEX_ENTRIES, _>")]
    layers: Vec<Descriptor>,
    #[serde(default, deserialize_with = "bounded::<_, MAX_INDEX_ENTRIES, _>")]
    blobs: Vec<Descriptor>,
    #[serde(default, deserialize_with = "bounded::<_, MAX_INDEX_ENTRIES, _>")]
    manifests: Vec<Descriptor>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    #[serde(default, deserialize_with = "text_map")]
    annotations: BTreeMap<String, String>,
}

read_from_objects! { Document }

impl ManifestLinks {
    /// Reads what the manifest or index in `bytes` leads to.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST_SIZE {
            let size = bytes.len();
            return Err(ManifestError::TooLarge { size });
        }
        let document: Document = json::parse(bytes, document::KEYS).map_err(ManifestError::Json)?;
        let media_type = match (document.media_type, &document.config) {
            (MediaType::Unspecified, Some(_)) => MediaType::OciManifest,
            (MediaType::Unspecified, None) => MediaType::OciIndex,
            (stated, _) => stated,
        };
        let of_config = document.config.as_ref();
        let of_config = of_config.map(|config| config.media_type.as_str().to_owned());
        let artifact_type = document.artifact_type.filter(|kind| !kind.is_empty());
        let config = document.config.into_iter();
        Ok(Self {
            media_type,
            manifests: document.manifests,
            blobs: config
                .chain(document.layers)
                .chain(document.blobs)
                .collect(),
            subject: document.subject,
            artifact_type: artifact_type.or(of_config),
            annotations: document.annotations,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn links(json: &str) -> ManifestLinks {
        ManifestLinks::parse(json.replace("DIGEST", DIGEST).as_bytes()).unwrap()
    }

    #[test]
    fn artifacts_lead_somewhere_too() {
        let artifact = links(
            r#"{"schemaVersion":2,"artifactType":"a/b",
                "config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"DIGEST","size":2},
                "layers":[{"mediaType":"text/plain","digest":"DIGEST","size":7}],
                "subject":{"digest":"DIGEST","size":9}}"#,
        );
        let sizes: Vec<_> = artifact.blobs.iter().map(|blob| blob.size).collect();
        assert_eq!(
            (artifact.media_type, sizes),
            (MediaType::OciManifest, vec![2, 7])
        );
        assert_eq!(artifact.artifact_type.as_deref(), Some("a/b"));
        assert_eq!(artifact.subject.unwrap().size, 9);
        let index = links(r#"{"manifests":[{"digest":"DIGEST","size":3}]}"#);
        assert_eq!(
            (index.media_type, index.manifests.len()),
            (MediaType::OciIndex, 1)
        );
    }
}
