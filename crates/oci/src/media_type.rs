//! Media types of manifests, configs and layers.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::sanitize;

/// The media types of the manifests that windlass supports, the preferred one first: the values of the `Accept` header.
///
/// Schema 1 is not among them, so that a registry does not convert a manifest to it.
pub const MANIFEST_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// The media type of a document or blob.
///
/// It is not trusted: a manifest must have the fields of its media type, and the compression of a layer is detected
/// from its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaType {
    /// A Docker image manifest, version 2, schema 2.
    DockerManifest,
    /// A Docker manifest list.
    DockerManifestList,
    /// A Docker manifest of schema 1, unsigned. Recognized so that errors can name it.
    DockerSchema1,
    /// A Docker manifest of schema 1, signed. Recognized so that errors can name it.
    DockerSignedSchema1,
    /// The config of a Docker image.
    DockerConfig,
    /// The config of a Docker plugin, which is not an image.
    DockerPlugin,
    /// A layer of a Docker image.
    DockerLayer(LayerEncoding),
    /// A layer of a Docker image that must not be uploaded to registries; it is downloaded from the descriptor's URLs.
    DockerForeignLayer(LayerEncoding),
    /// An OCI image manifest.
    OciManifest,
    /// An OCI image index.
    OciIndex,
    /// The config of an OCI image.
    OciConfig,
    /// A layer of an OCI image.
    OciLayer(LayerEncoding),
    /// A layer of an OCI image that must not be uploaded to registries ("non-distributable").
    OciForeignLayer(LayerEncoding),
    /// The empty JSON object that artifacts have in place of a config.
    OciEmpty,
    /// An OCI artifact manifest, from a draft of the specification. Recognized so that errors can name it.
    OciArtifact,
    /// No media type, or an empty one.
    #[default]
    Unspecified,
    /// An unknown media type, as given.
    Other(String),
}

/// The compression of a layer's tar according to its media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LayerEncoding {
    /// Uncompressed.
    Plain,
    /// Compressed with gzip.
    Gzip,
    /// Compressed with Zstandard.
    Zstd,
}

/// All known media types and their text.
static KNOWN: [(&str, MediaType); 22] = {
    use LayerEncoding::{Gzip, Plain, Zstd};
    use MediaType as M;
    [
        (MANIFEST_TYPES[0], M::OciIndex),
        (MANIFEST_TYPES[1], M::DockerManifestList),
        (MANIFEST_TYPES[2], M::OciManifest),
        (MANIFEST_TYPES[3], M::DockerManifest),
        (
            "application/vnd.docker.distribution.manifest.v1+json",
            M::DockerSchema1,
        ),
        (
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            M::DockerSignedSchema1,
        ),
        (
            "application/vnd.docker.container.image.v1+json",
            M::DockerConfig,
        ),
        ("application/vnd.docker.plugin.v1+json", M::DockerPlugin),
        (
            "application/vnd.docker.image.rootfs.diff.tar",
            M::DockerLayer(Plain),
        ),
        (
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            M::DockerLayer(Gzip),
        ),
        (
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
            M::DockerLayer(Zstd),
        ),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar",
            M::DockerForeignLayer(Plain),
        ),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            M::DockerForeignLayer(Gzip),
        ),
        ("application/vnd.oci.image.config.v1+json", M::OciConfig),
        ("application/vnd.oci.image.layer.v1.tar", M::OciLayer(Plain)),
        (
            "application/vnd.oci.image.layer.v1.tar+gzip",
            M::OciLayer(Gzip),
        ),
        (
            "application/vnd.oci.image.layer.v1.tar+zstd",
            M::OciLayer(Zstd),
        ),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
            M::OciForeignLayer(Plain),
        ),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            M::OciForeignLayer(Gzip),
        ),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
            M::OciForeignLayer(Zstd),
        ),
        ("application/vnd.oci.empty.v1+json", M::OciEmpty),
        (
            "application/vnd.oci.artifact.manifest.v1+json",
            M::OciArtifact,
        ),
    ]
};

impl MediaType {
    /// Parses a `Content-Type` header; parameters and case are ignored.
    pub fn from_content_type(header: &str) -> Self {
        let bare = header.split(';').next().unwrap_or_default().trim();
        Self::from(bare.to_ascii_lowercase().as_str())
    }

    /// Returns the text of the media type, as in documents.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unspecified => "",
            Self::Other(text) => text,
            known => KNOWN
                .iter()
                .find(|(_, media_type)| media_type == known)
                .map_or("", |(text, _)| text),
        }
    }

    /// Returns whether this is a supported image manifest.
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::DockerManifest | Self::OciManifest)
    }

    /// Returns whether this is an index of manifests (a Docker manifest list or an OCI image index).
    pub fn is_index(&self) -> bool {
        matches!(self, Self::DockerManifestList | Self::OciIndex)
    }

    /// Returns whether this is a Docker manifest of schema 1, signed or not.
    pub fn is_schema1(&self) -> bool {
        matches!(self, Self::DockerSchema1 | Self::DockerSignedSchema1)
    }

    /// Returns whether this is the config of a container image.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::DockerConfig | Self::OciConfig)
    }

    /// Returns whether this is a file system layer, foreign ones included.
    pub fn is_layer(&self) -> bool {
        self.layer_encoding().is_some()
    }

    /// Returns whether this is a layer that must not be uploaded to registries (Docker: foreign, OCI:
    /// non-distributable).
    pub fn is_foreign_layer(&self) -> bool {
        matches!(self, Self::DockerForeignLayer(_) | Self::OciForeignLayer(_))
    }

    /// Returns the compression of a layer of this type; `None` if this is not a layer.
    pub fn layer_encoding(&self) -> Option<LayerEncoding> {
        match self {
            Self::DockerLayer(encoding)
            | Self::DockerForeignLayer(encoding)
            | Self::OciLayer(encoding)
            | Self::OciForeignLayer(encoding) => Some(*encoding),
            _ => None,
        }
    }
}

impl From<&str> for MediaType {
    fn from(text: &str) -> Self {
        match KNOWN.iter().find(|(known, _)| *known == text) {
            Some((_, media_type)) => media_type.clone(),
            None if text.is_empty() => Self::Unspecified,
            None => Self::Other(text.to_owned()),
        }
    }
}

impl FromStr for MediaType {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text))
    }
}

/// Writes the media type shortened and escaped; [`MediaType::as_str`] returns the exact text.
impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unspecified => f.write_str("no media type"),
            other => sanitize(other.as_str()).fmt(f),
        }
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Docker reads `null` as an empty media type, and accepts that for configs (MF-4).
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(Self::from(text.as_deref().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_round_trip() {
        for (text, media_type) in KNOWN.clone() {
            assert_eq!(text.parse::<MediaType>().unwrap(), media_type);
            assert_eq!(media_type.as_str(), text);
            assert_eq!(media_type.to_string(), text);
        }
        let other = "application/vnd.cncf.helm.config.v1+json";
        assert_eq!(MediaType::from(other).as_str(), other);
        assert_eq!(MediaType::from(""), MediaType::Unspecified);
    }

    #[test]
    fn parameters_and_case_of_a_content_type_are_ignored() {
        let header = "Application/VND.oci.image.index.v1+JSON; charset=utf-8";
        assert_eq!(MediaType::from_content_type(header), MediaType::OciIndex);
        assert_eq!(MediaType::from_content_type(" ;"), MediaType::Unspecified);
    }

    #[test]
    fn categories_do_not_overlap() {
        for (text, media_type) in KNOWN.clone() {
            let kinds = [
                media_type.is_manifest(),
                media_type.is_index(),
                media_type.is_schema1(),
                media_type.is_config(),
                media_type.is_layer(),
            ];
            assert!(kinds.iter().filter(|kind| **kind).count() <= 1, "{text}");
            assert!(!media_type.is_foreign_layer() || media_type.is_layer());
        }
        assert!(MANIFEST_TYPES.iter().all(|text| {
            let media_type = MediaType::from(*text);
            media_type.is_manifest() || media_type.is_index()
        }));
    }

    /// R9
    #[test]
    fn an_unknown_type_is_escaped_for_display() {
        assert_eq!(MediaType::from("x/\x1b[31m").to_string(), r"x/\u{1b}[31m");
    }
}
