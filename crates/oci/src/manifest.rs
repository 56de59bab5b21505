//! Image manifests and indexes.
//!
//! Four formats are supported: Docker's manifest (schema 2) and manifest list, and OCI's manifest and index. A manifest
//! is parsed from the bytes whose digest was verified, and rejected if it is ambiguous: its media type, the
//! `Content-Type` header it came with and its fields must agree (T18, CVE-2021-41190).

use std::collections::BTreeMap;

use crate::json::{self, JsonError};
use crate::{Descriptor, MediaType, Platform};

mod document;
mod index;
mod links;

pub use index::NoMatchingPlatform;
pub use links::ManifestLinks;

/// The largest manifest that is accepted, in bytes (T21).
pub const MAX_MANIFEST_SIZE: usize = 4 << 20;

/// The largest number of layers of an image (T21).
pub const MAX_LAYERS: usize = 500;

/// The largest number of entries of an index (T21).
pub const MAX_INDEX_ENTRIES: usize = 4096;

/// An image manifest or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a pull holds one or two, never an array of them"
)]
pub enum Manifest {
    /// The manifest of one image.
    Image(ImageManifest),
    /// A list of manifests, usually one per platform.
    Index(Index),
}

/// The manifest of one image: its config and its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageManifest {
    /// [`MediaType::DockerManifest`] or [`MediaType::OciManifest`].
    pub media_type: MediaType,
    /// The image's config.
    pub config: Descriptor,
    /// The layers, base first; at most [`MAX_LAYERS`], possibly none (S2-8).
    pub layers: Vec<Descriptor>,
    /// Arbitrary metadata.
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests, usually one per platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// [`MediaType::DockerManifestList`] or [`MediaType::OciIndex`].
    pub media_type: MediaType,
    /// The manifests, in the order of the document; at most [`MAX_INDEX_ENTRIES`].
    pub manifests: Vec<Descriptor>,
    /// Arbitrary metadata.
    pub annotations: BTreeMap<String, String>,
}

/// Why a manifest is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is larger than [`MAX_MANIFEST_SIZE`].
    #[error("the manifest has {size} bytes, more than the {MAX_MANIFEST_SIZE} allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// It is not JSON, or a field is invalid.
    #[error("invalid manifest")]
    Json(#[source] JsonError),
    /// It is a manifest of Docker's schema 1.
    #[error(
        "the manifest is of Docker's schema 1: push the image again, or allow such manifests with \
         `schema1 = true`"
    )]
    Schema1,
    /// `schemaVersion` is not 2.
    #[error("the manifest's schemaVersion is {found}, not 2")]
    SchemaVersion {
        /// The version in the manifest.
        found: u64,
    },
    /// Readers would disagree about its meaning.
    #[error("ambiguous manifest: {0}")]
    Ambiguous(ManifestAmbiguity),
    /// It has neither the fields of an image manifest nor those of an index.
    #[error("neither a manifest nor an index: it has no {missing:?}")]
    MissingField {
        /// The field that is missing.
        missing: &'static str,
    },
    /// Its media type is not that of a supported manifest.
    #[error("unsupported manifest type {media_type}")]
    Unsupported {
        /// The media type in the document or the header.
        media_type: MediaType,
    },
    /// It is a manifest, but not of a container image.
    #[error("not a container image but {0}")]
    NotAnImage(ArtifactKind),
    /// It has more layers than [`MAX_LAYERS`], or more entries than [`MAX_INDEX_ENTRIES`].
    #[error("the manifest has {count} {what}, more than the {limit} allowed")]
    TooMany {
        /// `layers` or `entries`.
        what: &'static str,
        /// The number in the manifest.
        count: usize,
        /// The largest number that is accepted.
        limit: usize,
    },
}

/// Why a manifest is ambiguous.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestAmbiguity {
    /// It has fields of two formats.
    #[error("it has both {0:?} and {1:?}")]
    Fields(&'static str, &'static str),
    /// It has a field that its media type does not have.
    #[error("its type is {media_type}, but it has {field:?}")]
    MediaType {
        /// The media type in the document, or otherwise in the `Content-Type` header.
        media_type: MediaType,
        /// The field that a document of this type does not have.
        field: &'static str,
    },
    /// The media type in the document differs from the `Content-Type` header.
    #[error("its type is {stated}, but it was sent as {header}")]
    ContentType {
        /// The media type in the document.
        stated: MediaType,
        /// The media type in the header.
        header: MediaType,
    },
}

/// The content of a manifest that is not one of a container image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactKind {
    /// A Docker plugin.
    #[error("a Docker plugin (docker plugin install)")]
    Plugin,
    /// An artifact with an artifact type.
    #[error("an artifact of type {0}")]
    Artifact(MediaType),
    /// An artifact whose config is not an image config.
    #[error("an artifact with a config of type {0}")]
    Config(MediaType),
    /// An artifact with a layer that is not a file system layer.
    #[error("an artifact whose layer {index} is of type {media_type}")]
    Layer {
        /// The index of the layer, counted from 0.
        index: usize,
        /// The media type of the layer.
        media_type: MediaType,
    },
}

impl Manifest {
    /// Parses the exact bytes of a manifest and the `Content-Type` header it came with.
    ///
    /// A generic content type (none, `application/json`, `text/plain`, `application/octet-stream`) is ignored.
    /// Unknown fields are ignored, too.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST_SIZE {
            let size = bytes.len();
            return Err(ManifestError::TooLarge { size });
        }
        let document: document::ManifestDocument =
            json::parse(bytes, document::KEYS).map_err(ManifestError::Json)?;
        document.into_manifest(MediaType::from_content_type(
            content_type.unwrap_or_default(),
        ))
    }

    /// Returns the manifest's media type: the one in the document or header, or otherwise the OCI type that has its
    /// fields.
    pub fn media_type(&self) -> &MediaType {
        match self {
            Self::Image(manifest) => &manifest.media_type,
            Self::Index(index) => &index.media_type,
        }
    }
}

impl Index {
    /// Returns the manifests that may be for `wanted`, the best match first; equal matches in the order of the
    /// document (MF-8).
    ///
    /// Manifests whose platform matches come first, then nested indexes, then manifests without a platform: the
    /// platform of the last two is only found by reading them. Attestations and artifacts are skipped.
    pub fn candidates(&self, wanted: &Platform) -> Result<Vec<&Descriptor>, NoMatchingPlatform> {
        index::candidates(&self.manifests, wanted)
    }

    /// Returns the platforms of the manifests, each once, in the order of the document.
    pub fn platforms(&self) -> Vec<Platform> {
        index::platforms(&self.manifests)
    }
}

#[cfg(test)]
mod tests;
