//! Image manifests and indexes.
//!
//! Four formats are supported: Docker's manifest (schema 2) and manifest list, and OCI's manifest and index. A manifest
//! is parsed from the bytes whose digest was verified, and rejected if it is ambiguous: its media type, the
//! `Content-Type` header it came with and its fields must agree (T18, CVE-2021-41190).

use crate::json;
use crate::{Descriptor, MediaType, Platform};

mod document;
mod error;
mod index;
mod links;
mod types;

pub use error::{ArtifactKind, ManifestAmbiguity, ManifestError};
pub use index::NoMatchingPlatform;
pub use links::ManifestLinks;
pub use types::{ImageManifest, Index, MAX_INDEX_ENTRIES, MAX_LAYERS, MAX_MANIFEST_SIZE, Manifest};

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

    /// Returns the entries that are neither images nor indexes: attestations, other artifacts and unknown types.
    pub fn artifacts(&self) -> Vec<&Descriptor> {
        index::artifacts(&self.manifests)
    }

    /// Returns the platforms of the manifests, each once, in the order of the document.
    pub fn platforms(&self) -> Vec<Platform> {
        index::platforms(&self.manifests)
    }
}

#[cfg(test)]
mod tests;
