//! Docker's image manifest, version 2, schema 1: what registries had before images had configs.
//!
//! Such a manifest carries its own signatures: it is a JSON document, the *payload*, into which a member
//! `signatures` was put behind the last of its own. [`Schema1::parse`] takes that member out again, verifies
//! every signature over what is left, and reads only that (C2): the whole document is the payload and the
//! signatures, and nothing else. The manifest's digest is that of the payload (MF-2).
//!
//! Name and tag stand in the payload and must be those that were asked for (S1-1). The v1 histories become
//! an image config, byte for byte the one that Docker 17.03 makes, so that an image has the same ID however
//! it was pulled (S1-7).
//!
//! # What a signature proves
//! The key stands beside the signature, and nobody vouches for it. A signature that matches proves that the
//! document is as its signer left it, not who that was: anybody can sign anything with a key of his own.
//! Trust in the content comes from the digest that was asked for, or from the registry, as with every
//! other manifest.
//!
//! The v1 IDs in it are checked for how they link to each other and then forgotten: nothing is ever
//! stored or looked up under one (A5, C1).

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;
use windlass_oci::{DiffId, Digest, MAX_LAYERS, MAX_MANIFEST_SIZE, Platform, Tag};

mod blanks;
mod chain;
mod config;
mod error;
mod go_json;
mod go_time;
mod history;
mod object;
mod payload;
mod signature;

pub use error::{HistoryError, Schema1Error, SignatureError};

/// The media types of schema 1, the signed one first.
///
/// Both stand for the same document: what is sent without signatures is refused.
pub const MEDIA_TYPES: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
];

/// The most signatures that a manifest may have.
pub const MAX_SIGNATURES: usize = 16;

/// The most histories that a manifest may have, those without a layer included (T21).
///
/// Of layers it may have [`MAX_LAYERS`], like every image.
pub const MAX_HISTORY: usize = 4096;

/// A verified manifest of schema 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Schema1 {
    payload: Vec<u8>,
    digest: Digest,
    layers: Vec<V1Layer>,
    platform: Platform,
    /// The config's members but the root file system: names, and values as Go writes them.
    config: BTreeMap<String, String>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedManifest<'a> {
    /// The path of the repository on the registry, such as `library/alpine`.
    pub repository: &'a str,
    /// Which manifest of the repository it is.
    pub version: ExpectedVersion<'a>,
}

/// Which manifest of a repository was asked for.
#[derive(Clone, Copy, Debug)]
pub enum ExpectedVersion<'a> {
    /// The one with this tag, which must stand in it.
    Tag(&'a Tag),
    /// The one with this digest, whatever tag stands in it: any tag may have been put on it since.
    Digest(&'a Digest),
}

/// One layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V1Layer {
    /// The digest of the compressed blob. Its size and its diff ID are not known before it is here.
    pub blob: Digest,
}

/// Returns whether `bytes` have the shape of a schema 1 manifest, whatever else is wrong with them.
///
/// The same documents are meant as by [`windlass_oci::ManifestError::Schema1`], where the `Content-Type`
/// says nothing. This is no verdict: [`Schema1::parse`] gives that.
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
        Some("2") => has("fsLayers") && !payload::OTHER_KINDS.iter().any(|key| has(key)),
        _ => false,
    }
}

impl Schema1 {
    /// Verifies and reads a manifest from the exact bytes that came.
    ///
    /// Every signature must match and all must be of the same payload; the payload must be for the
    /// repository and the tag, or have the digest, of `expected`.
    pub fn parse(bytes: &[u8], expected: &ExpectedManifest<'_>) -> Result<Self, Schema1Error> {
        let payload = signature::open(bytes)?;
        let digest = check_digest(&payload, expected.version)?;
        let manifest = payload::Manifest::parse(&payload)?;
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

    /// Returns the sha256 digest of the payload, which is the manifest's (MF-2).
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the payload: the manifest without its signatures, which hashes to the digest.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the layers, base first, without those that are empty (S1-4).
    ///
    /// There are at most [`MAX_LAYERS`], and there may be none.
    pub fn layers(&self) -> &[V1Layer] {
        &self.layers
    }

    /// Returns what the image is for: the architecture of the manifest, the system of its top history.
    ///
    /// What is not said is `linux` and `amd64`, which is what there was before it was said.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Returns the image's config, whose digest is the image's ID (S1-5, S1-6).
    ///
    /// `diff_ids` are those of the layers, base first. The bytes are those that Docker 17.03 makes.
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
    if let ExpectedVersion::Digest(asked) = version {
        let found = Digest::of(asked.algorithm(), payload);
        if found != *asked {
            let asked = *asked;
            return Err(Schema1Error::Digest { found, asked });
        }
    }
    Ok(Digest::sha256(payload))
}

fn layers(entries: &[payload::Entry]) -> Result<Vec<V1Layer>, Schema1Error> {
    let kept = entries.iter().filter(|entry| !entry.history.throwaway);
    let layers: Vec<_> = kept.map(|entry| V1Layer { blob: entry.blob }).collect();
    if layers.len() > MAX_LAYERS {
        let count = layers.len();
        return Err(Schema1Error::TooManyLayers { count });
    }
    Ok(layers)
}
