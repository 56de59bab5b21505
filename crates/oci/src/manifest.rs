//! Manifests: what an image is made of, and which image is for which platform.
//!
//! Four documents are read: Docker's manifest (schema 2) and manifest list, and OCI's manifest and index.
//! A manifest is read once, from the bytes whose digest was checked, and only if it can be read in one way:
//! its media type, the `Content-Type` it came with and its shape must agree (T18, CVE-2021-41190).

use std::collections::BTreeMap;

use crate::json::{self, JsonError};
use crate::{Descriptor, MediaType, Platform};

mod document;
mod index;
mod links;

pub use index::NoMatchingPlatform;
pub use links::ManifestLinks;

/// The largest manifest that is read, in bytes (T21).
pub const MAX_MANIFEST_SIZE: usize = 4 << 20;

/// The most layers that an image may have (T21).
pub const MAX_LAYERS: usize = 500;

/// The most entries that an index may have (T21).
pub const MAX_INDEX_ENTRIES: usize = 4096;

/// A manifest of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a pull holds one or two, never an array of them"
)]
pub enum Manifest {
    /// One image.
    Image(ImageManifest),
    /// A choice of images.
    Index(Index),
}

/// One image: its config, and its layers from the base up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageManifest {
    /// [`MediaType::DockerManifest`] or [`MediaType::OciManifest`].
    pub media_type: MediaType,
    /// The image's config.
    pub config: Descriptor,
    /// The layers, base first; at most [`MAX_LAYERS`], and there may be none (S2-8).
    pub layers: Vec<Descriptor>,
    /// Free-form notes.
    pub annotations: BTreeMap<String, String>,
}

/// A choice of manifests, usually one for each platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// [`MediaType::DockerManifestList`] or [`MediaType::OciIndex`].
    pub media_type: MediaType,
    /// The manifests, in the order of the document; at most [`MAX_INDEX_ENTRIES`].
    pub manifests: Vec<Descriptor>,
    /// Free-form notes.
    pub annotations: BTreeMap<String, String>,
}

/// Why some bytes are not a manifest that can be pulled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is larger than [`MAX_MANIFEST_SIZE`].
    #[error("the manifest has {size} bytes, more than the {MAX_MANIFEST_SIZE} allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// It is not JSON, or a field is not what it should be.
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
        /// What it is instead.
        found: u64,
    },
    /// It can be read in two ways, so it is not read at all.
    #[error("ambiguous manifest: {0}")]
    Ambiguous(Ambiguity),
    /// It has neither the shape of a manifest nor that of an index.
    #[error("neither a manifest nor an index: it has no {missing:?}")]
    Shape {
        /// The field that is missing.
        missing: &'static str,
    },
    /// Its media type is not one of a manifest.
    #[error("unsupported manifest type {media_type}")]
    Unsupported {
        /// The type it has.
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
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
}

/// How a manifest contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguity {
    /// It has fields of two kinds of manifest.
    #[error("it has both {0:?} and {1:?}")]
    Shapes(&'static str, &'static str),
    /// Its media type is of the other kind than its shape.
    #[error("its type is {media_type}, but it has {has:?}")]
    MediaType {
        /// The type in the document, or else in the answer's header.
        media_type: MediaType,
        /// The field that a document of this type does not have.
        has: &'static str,
    },
    /// It was sent as something else than it says it is.
    #[error("its type is {field}, but it was sent as {header}")]
    ContentType {
        /// The type in the document.
        field: MediaType,
        /// The type in the answer's header.
        header: MediaType,
    },
}

/// What a manifest describes that is not a container image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactKind {
    /// A Docker plugin.
    #[error("a Docker plugin (docker plugin install)")]
    Plugin,
    /// An artifact that says what it is.
    #[error("an artifact of type {0}")]
    Artifact(MediaType),
    /// Its config is not that of an image.
    #[error("something with a config of type {0}")]
    Config(MediaType),
    /// One of its layers is not a file system layer.
    #[error("something whose layer {index} is of type {media_type}")]
    Layer {
        /// The layer's place, counted from 0.
        index: usize,
        /// Its type.
        media_type: MediaType,
    },
}

impl Manifest {
    /// Reads a manifest from its exact bytes and the `Content-Type` it came with.
    ///
    /// A generic content type (none, `application/json`, `text/plain`, `application/octet-stream`)
    /// contradicts nothing. Fields that are not known are ignored.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST_SIZE {
            let size = bytes.len();
            return Err(ManifestError::TooLarge { size });
        }
        let document: document::Document =
            json::parse(bytes, document::KEYS).map_err(ManifestError::Json)?;
        document.into_manifest(MediaType::from_content_type(
            content_type.unwrap_or_default(),
        ))
    }

    /// Returns the manifest's media type: the one it states, or else the one of its shape.
    pub fn media_type(&self) -> &MediaType {
        match self {
            Self::Image(manifest) => &manifest.media_type,
            Self::Index(index) => &index.media_type,
        }
    }
}

impl Index {
    /// Returns the manifests that may be for `wanted`, best first; equally good ones in their order (MF-8).
    ///
    /// Behind those whose platform matches come nested indexes and then manifests without a platform:
    /// only a look inside tells. Attestations and artifacts are passed over.
    pub fn candidates(&self, wanted: &Platform) -> Result<Vec<&Descriptor>, NoMatchingPlatform> {
        index::candidates(&self.manifests, wanted)
    }

    /// Returns the platforms that there are manifests for, each once, in the order of the document.
    pub fn platforms(&self) -> Vec<Platform> {
        index::offered(&self.manifests)
    }
}

#[cfg(test)]
mod tests;
