//! Manifests and configs with the bytes that they were parsed from.

use bytes::Bytes;
use windlass_oci::{Digest, ImageConfig, ImageId, ImageManifest, Manifest};
use windlass_registry::Endpoint;

/// The image that a reference names, for one platform.
#[derive(Debug)]
pub(crate) struct ResolvedImage {
    /// The digest that the reference names: of an index, or of the manifest itself.
    pub(crate) digest: Digest,
    /// The indexes around the manifest, outermost first; or the manifest of schema 1 that it was converted from.
    pub(crate) indexes: Vec<RawDocument>,
    pub(crate) manifest_bytes: RawDocument,
    pub(crate) manifest: ImageManifest,
    pub(crate) config_bytes: RawDocument,
    pub(crate) config: ImageConfig,
}

/// The document that a reference names, with the endpoint that resolved it.
#[derive(Debug)]
pub(crate) struct NamedManifest {
    pub(crate) endpoint: Endpoint,
    pub(crate) content: ManifestContent,
}

/// A document that a reference can name.
#[derive(Debug)]
pub(crate) enum ManifestContent {
    /// A manifest or an index.
    Manifest(RawDocument, Box<Manifest>),
    /// A manifest of schema 1. Its signature is not verified yet.
    Schema1(Bytes),
}

/// The bytes of a document, and their digest.
#[derive(Clone, Debug)]
pub(crate) struct RawDocument {
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
}

impl ResolvedImage {
    /// Returns the image ID: the digest of the config (IM-1).
    pub(crate) fn image_id(&self) -> ImageId {
        ImageId::new(self.config_bytes.digest)
    }
}

impl RawDocument {
    /// Creates a document from bytes, and computes their digest.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self {
            digest: Digest::sha256(&bytes),
            bytes: bytes.into(),
        }
    }
}
