//! The request of a pull, and its result.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use windlass_oci::{Descriptor, Digest, ImageId, Platform, Reference};
use windlass_registry::{Caller, Origin};
use windlass_transfer::Throttle;

use crate::json_fields::{as_text, from_text};

/// What to pull.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// The reference of the image. If it has a tag and a digest, the digest selects the image and the tag is applied.
    pub reference: Reference,
    /// The platform to choose from an index; this machine's if it is `None`.
    pub platform: Option<Platform>,
    /// Artifacts of the same index, such as attestations, that are fetched and stored with the image.
    pub artifacts: Vec<Descriptor>,
    /// The credentials that requests are sent with. Pulls of the same caller share tokens.
    pub caller: Caller,
    /// The rate limit of this pull; it can be changed while the pull runs.
    pub throttle: Throttle,
}

/// The result of a pull.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pulled {
    /// The requested reference, with `latest` if it had neither tag nor digest.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub reference: Reference,
    /// The digest of the index or manifest that the reference names.
    pub digest: Digest,
    /// The image.
    pub image_id: ImageId,
    /// The image's platform, from its config.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub platform: Platform,
    /// Whether the pull changed anything.
    pub outcome: PullOutcome,
    /// The endpoint that resolved the reference: the registry, or a mirror of it.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub endpoint: Origin,
    /// Bytes of layers that were downloaded for this pull.
    pub downloaded_bytes: u64,
    /// Compressed bytes of layers that were stored already.
    pub reused_bytes: u64,
    /// Bytes of file content that were unpacked.
    pub unpacked_bytes: u64,
    /// The requested artifacts that were left out, because the registry does not have them in full or they are too large.
    pub missing_artifacts: Vec<Digest>,
    /// How long the pull took.
    pub duration: Duration,
}

/// Whether a pull changed anything (ST-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullOutcome {
    /// The image is new, or its name is new, or the name referred to another image before.
    Downloaded,
    /// The image and its name were stored already.
    UpToDate,
}

/// An anonymous pull for this machine's platform, without a rate limit.
impl From<Reference> for PullRequest {
    fn from(reference: Reference) -> Self {
        Self {
            reference,
            platform: None,
            artifacts: Vec::new(),
            caller: Caller::anonymous(),
            throttle: Throttle::unlimited(),
        }
    }
}
