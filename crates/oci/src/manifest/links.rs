//! The descriptors in a manifest of any kind, as needed to copy it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::document;
use super::error::ManifestError;
use super::types::{MAX_INDEX_ENTRIES, MAX_MANIFEST_SIZE};
use crate::json::{self, bounded_list, read_from_objects, string_map};
use crate::{Descriptor, MediaType};

/// The manifests and blobs that a manifest or index refers to.
///
/// Unlike [`Manifest`](super::Manifest), which accepts only images that can be pulled, this accepts attestations,
/// signatures and other artifacts, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManifestLinks {
    /// The media type in the document, or otherwise the OCI type that has its fields.
    pub media_type: MediaType,
    /// The manifests of an index.
    pub manifests: Vec<Descriptor>,
    /// The config, followed by the layers or blobs.
    pub blobs: Vec<Descriptor>,
    /// The manifest that an artifact is attached to.
    pub subject: Option<Descriptor>,
    /// The artifact type in the document, or otherwise the media type of the config.
    pub artifact_type: Option<String>,
    /// Arbitrary metadata.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
struct LinkDocument {
    #[serde(default)]
    media_type: MediaType,
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "bounded_list::<_, MAX_INDEX_ENTRIES, _>")]
    layers: Vec<Descriptor>,
    #[serde(default, deserialize_with = "bounded_list::<_, MAX_INDEX_ENTRIES, _>")]
    blobs: Vec<Descriptor>,
    #[serde(default, deserialize_with = "bounded_list::<_, MAX_INDEX_ENTRIES, _>")]
    manifests: Vec<Descriptor>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    #[serde(default, deserialize_with = "string_map")]
    annotations: BTreeMap<String, String>,
}

read_from_objects! { LinkDocument }

impl ManifestLinks {
    /// Parses the manifest or index in `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST_SIZE {
            let size = bytes.len();
            return Err(ManifestError::TooLarge { size });
        }
        let document: LinkDocument =
            json::parse(bytes, document::KEYS).map_err(ManifestError::Json)?;
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
    fn artifacts_are_accepted() {
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
