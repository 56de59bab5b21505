//! Errors.

use windlass_oci::text::Sanitized;
use windlass_oci::{Digest, JsonError, MAX_LAYERS, MAX_MANIFEST_SIZE};

/// Why a schema 1 manifest is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Schema1Error {
    /// It is larger than [`MAX_MANIFEST_SIZE`] (T21).
    #[error("the manifest has {size} bytes, more than the {MAX_MANIFEST_SIZE} allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// It is not JSON, or a member is invalid.
    #[error("invalid schema 1 manifest")]
    Json(#[source] JsonError),
    /// It has no signature.
    #[error("the schema 1 manifest is not signed")]
    Unsigned,
    /// A signature is invalid.
    #[error("signature {index} of the schema 1 manifest")]
    Signature {
        /// The index of the signature, counted from 0.
        index: usize,
        /// What is wrong with it.
        source: SignatureError,
    },
    /// The payload has another digest than the requested one (MF-2).
    #[error("the manifest's digest is {found}, not {expected}")]
    Digest {
        /// The payload's digest.
        found: Digest,
        /// The requested digest.
        expected: Digest,
    },
    /// `schemaVersion` is not 1 (S1-2).
    #[error("the signed manifest's schemaVersion is {found}, not 1")]
    SchemaVersion {
        /// The version in the manifest.
        found: u64,
    },
    /// It is signed as schema 1, but has a member that only other formats have (T18).
    #[error("ambiguous manifest: it is of schema 1, but it has {key:?}")]
    Ambiguous {
        /// The member.
        key: &'static str,
    },
    /// It has the media type of another format (T18).
    #[error("ambiguous manifest: it is of schema 1, but its type is {media_type}")]
    MediaType {
        /// The media type in the manifest.
        media_type: Sanitized,
    },
    /// It is signed for another repository (S1-1).
    #[error("the manifest is signed for the repository {found:?}, not {expected:?}")]
    Name {
        /// The repository in the manifest.
        found: Sanitized,
        /// The path of the requested repository.
        expected: Sanitized,
    },
    /// It is signed for another tag (S1-1).
    #[error("the manifest is signed for the tag {found:?}, not {expected:?}")]
    Tag {
        /// The tag in the manifest.
        found: Sanitized,
        /// The requested tag.
        expected: Sanitized,
    },
    /// It has no layers (S1-2).
    #[error("the manifest has no layers")]
    Empty,
    /// The numbers of layers and histories differ (S1-2).
    #[error("the manifest has {layers} layers but {histories} histories")]
    Lengths {
        /// The number of elements of `fsLayers`.
        layers: usize,
        /// The number of elements of `history`.
        histories: usize,
    },
    /// It has more layers than [`MAX_LAYERS`] (T21).
    #[error("the manifest has {count} layers, more than the {MAX_LAYERS} allowed")]
    TooManyLayers {
        /// The number of layers.
        count: usize,
    },
    /// A history is invalid.
    #[error("history {index} of the schema 1 manifest")]
    History {
        /// The index in the manifest, counted from 0; the top layer is first.
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
    #[error("the parent of history {index} is {parent:?}, but the layer below it is {below:?}")]
    BrokenChain {
        /// The index in the manifest, counted from 0; the top layer is first.
        index: usize,
        /// The ID of the parent in the history.
        parent: Sanitized,
        /// The ID of the layer below.
        below: Sanitized,
    },
    /// Two layers that are not adjacent have the same ID, so the parents form a cycle (S1-3).
    #[error("history {index} has the same ID {id:?} as one above it")]
    RepeatedId {
        /// The index of the lower one in the manifest, counted from 0; the top layer is first.
        index: usize,
        /// The ID.
        id: Sanitized,
    },
    /// The number of diff IDs given for the config is not that of the layers.
    #[error("{given} diff IDs were given for {layers} layers")]
    DiffIds {
        /// The number of diff IDs.
        given: usize,
        /// The number of layers.
        layers: usize,
    },
}

/// Why a signature is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is not JSON, or a member is invalid.
    #[error("invalid signature")]
    Json(#[source] JsonError),
    /// A member is not unpadded base64url (RFC 7515, section 2).
    #[error("{at} is not base64url")]
    Base64 {
        /// The path of the member.
        at: &'static str,
    },
    /// The algorithm is not a supported signature algorithm.
    #[error("unsupported algorithm {found:?}: expected ES256, ES384, ES512, RS256, RS384 or RS512")]
    Algorithm {
        /// The algorithm in the header.
        found: Sanitized,
    },
    /// The key is in an X.509 certificate. Schema 1 does not define which issuers to trust.
    #[error("its key is in a certificate (x5c), which is not supported")]
    Certificate,
    /// It requires extensions (RFC 7515, section 4.1.11).
    #[error("it requires extensions (crit), and none are supported")]
    Critical,
    /// The protected header has an unknown member.
    #[error("unknown member {name:?} in the protected header")]
    Protected {
        /// The name of the member.
        name: Sanitized,
    },
    /// The type or curve of the key is not supported.
    #[error("unsupported key {found:?}")]
    KeyType {
        /// The type or the curve.
        found: Sanitized,
    },
    /// The key is of the wrong size, or not on its curve.
    #[error("the key is invalid")]
    Key,
    /// The algorithm is not one for keys of this type or curve.
    #[error("the key cannot be used with {algorithm}")]
    KeyForAlgorithm {
        /// The algorithm.
        algorithm: &'static str,
    },
    /// The key ID in the header is not that of the key.
    #[error("the key's ID is {computed}, not {found:?}")]
    KeyId {
        /// The ID in the header.
        found: Sanitized,
        /// The ID that was computed from the key.
        computed: String,
    },
    /// It signs another payload than the first signature.
    #[error("it signs another payload than the first signature")]
    OtherPayload,
    /// The document is not the payload that `formatLength` and `formatTail` describe plus the signatures (C2).
    #[error("the document contains something other than the signed payload and its signatures")]
    Format,
    /// It is not a signature of the payload and the protected header by this key.
    #[error("the signature does not match")]
    Mismatch,
}

/// Why a v1 history is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// It is not JSON, or a member is invalid.
    #[error("invalid v1 history")]
    Json(#[source] JsonError),
    /// The ID is not 64 hex digits (S1-3, A5).
    #[error("the v1 ID {found:?} is not 64 lower-case hex digits")]
    Id {
        /// The ID in the history.
        found: Sanitized,
    },
    /// The creation time is not a valid time (RFC 3339).
    #[error("{found:?} is not a time as in RFC 3339")]
    Created {
        /// The time in the history.
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
