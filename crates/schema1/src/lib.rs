//! Docker image manifests, version 2, schema 1: the format before images had configs.
//!
//! The manifest contains its own signatures. It is a JSON document, the *payload*, with a member `signatures` added
//! after the last member. [`Schema1::parse`] removes that member, verifies every signature of the payload, and reads
//! only the payload (C2): a document that contains anything else is rejected. The digest of the manifest is that of the
//! payload (MF-2).
//!
//! The payload contains the repository and tag, which must be the requested ones (S1-1). The v1 histories are converted
//! to an image config that is identical to the one that Docker 17.03 creates, so that an image has the same ID
//! regardless of how it was pulled (S1-7).
//!
//! # What a signature proves
//! The key is part of the signature, and nothing certifies it. A valid signature proves that the document was not
//! changed after it was signed, but does not identify the signer: any key is accepted. Trust in the content comes from the
//! requested digest or from the registry, as for all other manifests.
//!
//! The v1 IDs are only used to check the order of the layers: nothing is stored or looked up under them (A5, C1).

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;
use windlass_oci::{DiffId, Digest, MAX_LAYERS, MAX_MANIFEST_SIZE, Platform};

mod chain;
mod config;
mod error;
mod expected_manifest;
mod go_json;
mod go_time;
mod history;
mod legacy_config;
mod object;
mod payload;
mod signature;

pub use error::{HistoryError, Schema1Error, SignatureError};
pub use expected_manifest::{ExpectedManifest, ExpectedVersion};
pub use payload::{MAX_HISTORY, MEDIA_TYPES};
pub use signature::MAX_SIGNATURES;

/// A verified manifest of schema 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Schema1 {
    payload: Vec<u8>,
    digest: Digest,
    layers: Vec<V1Layer>,
    platform: Platform,
    /// The members of the config except `rootfs`: names, and values as Go writes them.
    config: BTreeMap<String, String>,
}

/// A layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V1Layer {
    /// The digest of the compressed blob. Its size and diff ID are not part of the manifest.
    pub blob: Digest,
}

/// Returns whether `bytes` have the fields of a schema 1 manifest. They may be invalid otherwise.
///
/// It returns true for the same documents for which [`windlass_oci::Manifest::parse`] returns
/// [`windlass_oci::ManifestError::Schema1`] without a `Content-Type`.
pub fn is_schema1(bytes: &[u8]) -> bool {
    if bytes.len() > MAX_MANIFEST_SIZE {
        return false;
    }
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(bytes) else {
        return false;
    };
    let has = |key: &str| members.get(key).is_some_and(|value| value.get() != "null");
    match members.get("schemaVersion").map(|version| version.get()) {
        Some("1") => true,
        Some("2") => has("fsLayers") && !payload::OTHER_FORMATS.iter().any(|key| has(key)),
        _ => false,
    }
}

impl Schema1 {
    /// Verifies and parses the exact bytes of a manifest.
    ///
    /// Every signature must be valid, and all must sign the same payload. The payload must be for the repository of
    /// `expected`, and have its tag or digest.
    pub fn parse(bytes: &[u8], expected: &ExpectedManifest<'_>) -> Result<Self, Schema1Error> {
        let payload = signature::verify_document(bytes)?;
        let digest = check_digest(&payload, expected.version)?;
        let manifest = payload::Payload::parse(&payload)?;
        manifest.check_name(expected)?;
        let entries = chain::base_first(manifest.entries()?)?;
        let layers = layers(&entries)?;
        let top = entries.last().ok_or(Schema1Error::Empty)?;
        let at_top = |source| Schema1Error::History {
            index: top.index,
            source,
        };
        let platform = config::platform(&top.history, &manifest.architecture()?).map_err(at_top)?;
        let config = config::without_root_fs(&entries).map_err(at_top)?;
        Ok(Self {
            payload,
            digest,
            layers,
            platform,
            config,
        })
    }

    /// Returns the digest of the manifest: the sha256 digest of the payload (MF-2).
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the payload: the manifest without its signatures, which [`Schema1::digest`] is the digest of.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the layers, base first, without empty ones (S1-4); at most [`MAX_LAYERS`], possibly none.
    pub fn layers(&self) -> &[V1Layer] {
        &self.layers
    }

    /// Returns the platform: the architecture of the manifest and the operating system of its top history.
    ///
    /// The defaults are `linux` and `amd64`, the only platform when these members did not exist.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Returns the image config, whose digest is the image ID (S1-5, S1-6).
    ///
    /// `diff_ids` are those of the layers, base first. The bytes are those that Docker 17.03 writes.
    pub fn config(&self, diff_ids: &[DiffId]) -> Result<Vec<u8>, Schema1Error> {
        if diff_ids.len() != self.layers.len() {
            return Err(Schema1Error::DiffIds {
                given: diff_ids.len(),
                layers: self.layers.len(),
            });
        }
        Ok(config::with_root_fs(&self.config, diff_ids))
    }
}

impl fmt::Debug for Schema1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema1")
            .field("digest", &self.digest)
            .field("platform", &self.platform)
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}

fn check_digest(payload: &[u8], version: ExpectedVersion<'_>) -> Result<Digest, Schema1Error> {
    if let ExpectedVersion::Digest(expected) = version {
        let found = Digest::of(expected.algorithm(), payload);
        if found != *expected {
            let expected = *expected;
            return Err(Schema1Error::Digest { found, expected });
        }
    }
    Ok(Digest::sha256(payload))
}

fn layers(entries: &[payload::LayerEntry]) -> Result<Vec<V1Layer>, Schema1Error> {
    let kept = entries.iter().filter(|entry| !entry.history.throwaway);
    let layers: Vec<_> = kept.map(|entry| V1Layer { blob: entry.blob }).collect();
    if layers.len() > MAX_LAYERS {
        let count = layers.len();
        return Err(Schema1Error::TooManyLayers { count });
    }
    Ok(layers)
}
