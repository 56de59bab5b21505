//! Why manifests are rejected.

use super::types::MAX_MANIFEST_SIZE;
#[cfg(doc)]
use super::types::{MAX_INDEX_ENTRIES, MAX_LAYERS};
use crate::MediaType;
use crate::json::JsonError;

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
