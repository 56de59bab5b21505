//! Why a manifest of schema 1 is refused.

use windlass_oci::text::Sanitized;
use windlass_oci::{Digest, JsonError, MAX_LAYERS, MAX_MANIFEST_SIZE};

/// Why some bytes are not the schema 1 manifest that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Schema1Error {
    /// It is larger than [`MAX_MANIFEST_SIZE`] (T21).
    #[error("the manifest has {size} bytes, more than the {MAX_MANIFEST_SIZE} allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// It is not JSON, or a member is not what it should be.
    #[error("invalid schema 1 manifest")]
    Json(#[source] JsonError),
    /// It has no signature.
    #[error("the schema 1 manifest is not signed")]
    Unsigned,
    /// A signature does not hold.
    #[error("signature {index} of the schema 1 manifest")]
    Signature {
        /// Its place, counted from 0.
        index: usize,
        /// What is wrong with it.
        source: SignatureError,
    },
    /// The payload's digest is not the one that was asked for (MF-2).
    #[error("the manifest's digest is {found}, not {asked}")]
    Digest {
        /// The payload's digest.
        found: Digest,
        /// The digest that was asked for.
        asked: Digest,
    },
    /// `schemaVersion` is not 1 (S1-2).
    #[error("the signed manifest's schemaVersion is {found}, not 1")]
    SchemaVersion {
        /// What it is instead.
        found: u64,
    },
    /// It is signed as schema 1, but it has what only another kind of manifest has (T18).
    #[error("ambiguous manifest: it is of schema 1, but it has {key:?}")]
    Ambiguous {
        /// The member that does not belong there.
        key: &'static str,
    },
    /// It says that it is something else (T18).
    #[error("ambiguous manifest: it is of schema 1, but its type is {media_type}")]
    MediaType {
        /// The type it states.
        media_type: Sanitized,
    },
    /// It is signed for another repository (S1-1).
    #[error("the manifest is signed for the repository {found:?}, not {asked:?}")]
    Name {
        /// The name in it.
        found: Sanitized,
        /// The path that was asked for.
        asked: Sanitized,
    },
    /// It is signed for another tag (S1-1).
    #[error("the manifest is signed for the tag {found:?}, not {asked:?}")]
    Tag {
        /// The tag in it.
        found: Sanitized,
        /// The tag that was asked for.
        asked: Sanitized,
    },
    /// It has no layer at all (S1-2).
    #[error("the manifest has no layers")]
    Empty,
    /// It has not one history for each layer (S1-2).
    #[error("the manifest has {layers} layers but {histories} histories")]
    Lengths {
        /// How many `fsLayers` there are.
        layers: usize,
        /// How many elements `history` has.
        histories: usize,
    },
    /// It has more layers than [`MAX_LAYERS`] (T21).
    #[error("the manifest has {count} layers, more than the {MAX_LAYERS} allowed")]
    TooManyLayers {
        /// How many it has.
        count: usize,
    },
    /// A history cannot be read.
    #[error("history {index} of the schema 1 manifest")]
    History {
        /// Its place in the manifest, counted from 0, the top one first.
        index: usize,
        /// What is wrong with it.
        source: HistoryError,
    },
    /// The base has a parent (S1-3).
    #[error("the lowest layer has the parent {parent:?}")]
    BaseHasParent {
        /// The ID of the parent.
        parent: Sanitized,
    },
    /// A layer's parent is not the one below it (S1-3).
    #[error("the parent of history {index} is {parent:?}, but below it is {below:?}")]
    BrokenChain {
        /// The place of the history, counted from 0, the top one first.
        index: usize,
        /// The ID that it names.
        parent: Sanitized,
        /// The ID of the next one.
        below: Sanitized,
    },
    /// The same ID comes again further down, so the parents go in a circle (S1-3).
    #[error("history {index} has the ID {id:?} of one above it")]
    RepeatedId {
        /// The place of the lower one, counted from 0, the top one first.
        index: usize,
        /// The ID.
        id: Sanitized,
    },
    /// A config was asked for with too few or too many diff IDs.
    #[error("{given} diff IDs were given for {layers} layers")]
    DiffIds {
        /// How many were given.
        given: usize,
        /// How many layers there are.
        layers: usize,
    },
}

/// Why a signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is not what a signature looks like.
    #[error("invalid signature")]
    Json(#[source] JsonError),
    /// A member is not base64 as JOSE writes it: the URL alphabet, and no padding (RFC 7515, section 2).
    #[error("{at} is not base64url")]
    Base64 {
        /// The path of the member.
        at: &'static str,
    },
    /// The algorithm is not one that signs, or not one that is known.
    #[error("unsupported algorithm {found:?}: ES256, ES384, ES512, RS256, RS384, RS512 are")]
    Algorithm {
        /// The algorithm it names.
        found: Sanitized,
    },
    /// The key is in an X.509 certificate, of which schema 1 does not say who should have issued it.
    #[error("its key is in a certificate (x5c), which is not supported")]
    Certificate,
    /// It demands extensions that are not known (RFC 7515, section 4.1.11).
    #[error("it demands extensions (crit), and none are supported")]
    Critical,
    /// What is protected is not said to be what is signed.
    #[error("unknown member {name:?} in what is protected")]
    Protected {
        /// Its name.
        name: Sanitized,
    },
    /// The key's type or curve is not known.
    #[error("unsupported key {found:?}")]
    KeyType {
        /// The type or the curve.
        found: Sanitized,
    },
    /// The key is of the wrong size, or not on its curve.
    #[error("the key is invalid")]
    Key,
    /// The algorithm does not go with the key.
    #[error("the key is not one for {algorithm}")]
    KeyForAlgorithm {
        /// The algorithm.
        algorithm: &'static str,
    },
    /// The key's ID is that of another key.
    #[error("the key's ID is {computed}, not {found:?}")]
    KeyId {
        /// The ID that stands beside the key.
        found: Sanitized,
        /// The ID that the key has.
        computed: String,
    },
    /// The signature is of another payload than the first one's.
    #[error("it is of another payload than the first signature")]
    OtherPayload,
    /// `formatLength` and `formatTail` do not make the payload of this document (C2).
    #[error("the document is not the signed payload and its signatures, and nothing else")]
    Format,
    /// The payload, or what is protected, is not what was signed with this key.
    #[error("it does not match")]
    Mismatch,
}

/// Why a v1 history cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// It is not JSON, or a member is not what it should be.
    #[error("invalid v1 history")]
    Json(#[source] JsonError),
    /// Its ID is not 64 hex digits (S1-3, A5).
    #[error("the v1 ID {found:?} is not 64 lower-case hex digits")]
    Id {
        /// The ID.
        found: Sanitized,
    },
    /// It was made at no time that exists (RFC 3339).
    #[error("{found:?} is not a time as in RFC 3339")]
    Created {
        /// The time.
        found: Sanitized,
    },
}

impl From<JsonError> for Schema1Error {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<JsonError> for SignatureError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<JsonError> for HistoryError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}
