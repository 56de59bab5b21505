//! What a pull reports while it runs, as data.
//!
//! Milestones are sent once each and never lost. Byte counts are sampled: the latest wins, at most one
//! event a layer and tick, so a slow reader of the channel costs a bounded rate and never a transfer.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::de::Error as _;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use windlass_oci::text::error_chain;
use windlass_oci::{Digest, Platform, Reference};
use windlass_operation::{Event, EventSender};
use windlass_registry::Origin;

/// The sending end of a pull's events. A pull whose events nothing receives goes on.
pub type PullEvents = EventSender<PullEvent>;

/// One thing that happened in a pull.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PullEvent {
    /// The reference is being resolved at the registry.
    Resolving {
        /// The requested reference.
        #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
        reference: Reference,
    },
    /// An endpoint failed to deliver a document. The failure of a mirror is harmless; it is reported all the same.
    Setback(Setback),
    /// The reference names this.
    Resolved {
        /// The endpoint that failed.
        #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
        endpoint: Origin,
        /// The digest of the index or manifest that the reference names.
        digest: Digest,
        /// The platform of the image that was chosen.
        #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
        platform: Platform,
    },
    /// What is to be done is known: which layers there are and which are missing.
    Planned {
        /// All layers, base first. One that stands twice in the image stands twice here.
        layers: Vec<PlannedLayer>,
        /// Bytes to download.
        missing_bytes: u64,
        /// Compressed bytes of layers that are here already.
        reused_bytes: u64,
        /// Of the bytes to download, those that are here from an earlier pull that did not come to its end.
        resumed_bytes: u64,
    },
    /// Something changed for one layer.
    Layer {
        /// The digest of the layer's blob.
        digest: Digest,
        /// Where it stands now.
        #[serde(flatten)]
        status: LayerStatus,
    },
    /// Every layer is verified and unpacked; the image is being made durable and visible.
    Committing,
}

/// A layer as the plan has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedLayer {
    /// The digest of the compressed blob.
    pub digest: Digest,
    /// The compressed size in bytes.
    pub size: u64,
    /// Whether the store has it, so that nothing is fetched.
    pub exists: bool,
}

/// Where a layer's transfer stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum LayerStatus {
    /// Waits for a download slot.
    Queued,
    /// Some of it is here from an earlier pull.
    Resumed {
        /// How many of its compressed bytes.
        bytes: u64,
    },
    /// Waits because the endpoint is rate limiting, possibly because of another layer (T34).
    Paused {
        /// How long.
        #[serde(
            serialize_with = "as_millis",
            deserialize_with = "from_millis",
            rename = "after_ms"
        )]
        after: Duration,
        /// The attempt that will follow, from 1.
        attempt: u32,
    },
    /// Requests the blob from an endpoint.
    Connecting {
        /// The endpoint of the request.
        #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
        endpoint: Origin,
        /// Which try this is, from 1.
        attempt: u32,
    },
    /// Bytes move. Both counts are of compressed bytes, out of the layer's size.
    Moving {
        /// Bytes that have arrived.
        downloaded: u64,
        /// Bytes that were verified, decompressed and written out.
        unpacked: u64,
    },
    /// The last byte has arrived; unpacking may go on.
    Downloaded,
    /// Everything is unpacked; whether it was the right blob is being found out.
    Verifying,
    /// An attempt failed in a way that is worth another.
    Retrying {
        /// How long until then.
        #[serde(
            serialize_with = "as_millis",
            deserialize_with = "from_millis",
            rename = "after_ms"
        )]
        after: Duration,
        /// The attempt that will follow, from 2.
        attempt: u32,
        /// Why the last one failed.
        #[serde(flatten)]
        reason: Reason,
    },
    /// Verified and unpacked.
    Unpacked {
        /// Bytes of file content that the layer holds.
        size: u64,
        /// Device nodes that an ordinary user cannot make.
        skipped_devices: u64,
        /// Extended attributes that could not be set here.
        skipped_xattrs: u64,
    },
}

/// A request for a document that failed, and what comes next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setback {
    /// The endpoint of the failed request.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub endpoint: Origin,
    /// How long until the same endpoint is tried again; `None` if another endpoint is tried.
    #[serde(
        serialize_with = "as_optional_millis",
        deserialize_with = "from_optional_millis",
        rename = "after_ms"
    )]
    pub after: Option<Duration>,
    /// Why it failed.
    #[serde(flatten)]
    pub reason: Reason,
}

/// Why something failed that is tried again.
///
/// Equal to another if they read the same, and serialised as `error`, with its causes on one line.
#[derive(Clone, Debug)]
pub struct Reason(pub Arc<dyn Error + Send + Sync>);

/// A [`Reason`] of which only the text is here: it happened in another process.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct RemoteReason(String);

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        error_chain(&*self.0) == error_chain(&*other.0)
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct ReasonFields {
            error: String,
        }
        let ReasonFields { error } = ReasonFields::deserialize(deserializer)?;
        Ok(Self(Arc::new(RemoteReason(error))))
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Reason", 1)?;
        fields.serialize_field("error", &error_chain(&*self.0))?;
        fields.end()
    }
}

/// Byte counts are sampled, so what waits for a slow receiver grows at a bounded rate and is not merged.
impl Event for PullEvent {}

pub(crate) fn as_text<T: fmt::Display, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_millis<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(millis(value))
}

pub(crate) fn from_text<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

fn from_millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

fn from_optional_millis<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let millis: Option<u64> = Option::deserialize(deserializer)?;
    Ok(millis.map(Duration::from_millis))
}

// serde hands over what it has: a reference to the field.
#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn as_optional_millis<S: Serializer>(
    value: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().map(millis).serialize(serializer)
}

fn millis(duration: &Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
