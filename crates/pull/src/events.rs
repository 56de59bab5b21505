//! The events that a pull reports while it runs.
//!
//! Each milestone is sent once and never lost. Byte counts are sampled: at most one event per layer and tick, with the
//! latest counts, which replace those that were not received yet. So a slow receiver delays no transfer, and the queue of
//! its events is bounded by the number of milestones.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use windlass_oci::text::error_chain;
use windlass_oci::{Digest, Platform, Reference};
use windlass_operation::{Event, EventSender, Merge};
use windlass_registry::Origin;

use crate::json_fields::{
    as_millis, as_optional_millis, as_text, from_millis, from_optional_millis, from_text,
};

/// The sender of a pull's events. A pull continues if the receiver is dropped.
pub type PullEvents = EventSender<PullEvent>;

/// An event of a pull.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PullEvent {
    /// The reference is being resolved at the registry.
    Resolving {
        /// The requested reference.
        #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
        reference: Reference,
    },
    /// A request for a document failed and is sent again, to the same endpoint or to another one.
    Setback(Setback),
    /// The reference is resolved, and the image for the platform is selected.
    Resolved {
        /// The endpoint that resolved the reference.
        #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
        endpoint: Origin,
        /// The digest of the index or manifest that the reference names.
        digest: Digest,
        /// The platform of the selected image.
        #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
        platform: Platform,
    },
    /// The layers are known, and which of them are missing.
    Planned {
        /// All layers, base first. A layer that the image repeats is repeated.
        layers: Vec<PlannedLayer>,
        /// Bytes to download.
        missing_bytes: u64,
        /// Compressed bytes of stored layers.
        reused_bytes: u64,
        /// The part of `missing_bytes` that an unfinished earlier pull has downloaded.
        resumed_bytes: u64,
    },
    /// The status of one layer changed.
    Layer {
        /// The digest of the layer's blob.
        digest: Digest,
        /// The new status.
        #[serde(flatten)]
        status: LayerStatus,
    },
    /// All layers are verified and unpacked; the image is being made durable and visible.
    Committing,
}

/// A layer of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedLayer {
    /// The digest of the compressed blob.
    pub digest: Digest,
    /// The compressed size in bytes.
    pub size: u64,
    /// Whether the layer is stored, so that it is not fetched.
    pub exists: bool,
}

/// The status of a layer's transfer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum LayerStatus {
    /// The transfer waits for a download slot.
    Queued,
    /// The transfer continues the partial blob of an earlier pull.
    Resumed {
        /// Compressed bytes in the partial blob.
        bytes: u64,
    },
    /// The transfer waits because the endpoint requested a pause, possibly in the transfer of another layer (T34).
    Paused {
        /// The length of the pause.
        #[serde(
            serialize_with = "as_millis",
            deserialize_with = "from_millis",
            rename = "after_ms"
        )]
        after: Duration,
        /// The number of the attempt after the pause, from 1.
        attempt: u32,
    },
    /// The blob is being requested from an endpoint.
    Connecting {
        /// The endpoint of the request.
        #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
        endpoint: Origin,
        /// The number of this attempt, from 1.
        attempt: u32,
    },
    /// Bytes are transferred. Both counts are compressed bytes, out of the layer's size.
    Moving {
        /// Bytes that were received.
        downloaded: u64,
        /// Bytes that were verified, decompressed and written out.
        unpacked: u64,
    },
    /// All bytes were received. Unpacking may continue.
    Downloaded,
    /// All bytes are unpacked, and the digests are being compared.
    Verifying,
    /// An attempt failed, and another one follows.
    Retrying {
        /// The pause before the next attempt.
        #[serde(
            serialize_with = "as_millis",
            deserialize_with = "from_millis",
            rename = "after_ms"
        )]
        after: Duration,
        /// The number of the next attempt, from 2.
        attempt: u32,
        /// Why the last attempt failed.
        #[serde(flatten)]
        reason: Reason,
    },
    /// The layer is verified and unpacked.
    Unpacked {
        /// Bytes of file content in the layer.
        size: u64,
        /// Device nodes that were skipped because an unprivileged user cannot create them.
        skipped_devices: u64,
        /// Extended attributes that were skipped because they cannot be set on this system.
        skipped_xattrs: u64,
    },
}

/// A failed request for a document, after which the pull continues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setback {
    /// The endpoint of the failed request.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub endpoint: Origin,
    /// The pause before the next request to the same endpoint; `None` if another endpoint is used next.
    #[serde(
        serialize_with = "as_optional_millis",
        deserialize_with = "from_optional_millis",
        rename = "after_ms"
    )]
    pub after: Option<Duration>,
    /// Why the request failed.
    #[serde(flatten)]
    pub reason: Reason,
}

/// The error of a failed attempt.
///
/// Two reasons are equal if their texts are. A reason is serialised as the field `error`: the error and its causes on one
/// line.
#[derive(Clone, Debug)]
pub struct Reason(pub Arc<dyn Error + Send + Sync>);

/// The text of a [`Reason`] from another process.
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

/// The byte counts of a layer replace earlier ones that were not received yet. Milestones keep their order.
impl Event for PullEvent {
    fn merge(&mut self, later: &Self) -> Merge {
        let Self::Layer {
            digest: moving,
            status: counts @ LayerStatus::Moving { .. },
        } = later
        else {
            return Merge::Ordered;
        };
        match self {
            Self::Layer { digest, .. } if digest != moving => Merge::Unrelated,
            Self::Layer {
                status: status @ LayerStatus::Moving { .. },
                ..
            } => {
                *status = counts.clone();
                Merge::Merged
            }
            Self::Resolving { .. }
            | Self::Setback(_)
            | Self::Resolved { .. }
            | Self::Planned { .. }
            | Self::Layer { .. }
            | Self::Committing => Merge::Ordered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A receiver that has stopped, such as a suspended command, lets one event per layer wait.
    #[test]
    fn byte_counts_that_were_not_received_are_replaced() {
        let [a, b] = [Digest::sha256(b"a"), Digest::sha256(b"b")];
        let layer = |digest, status| PullEvent::Layer { digest, status };
        let moving = |digest, downloaded| {
            layer(
                digest,
                LayerStatus::Moving {
                    downloaded,
                    unpacked: 0,
                },
            )
        };
        let downloaded = layer(a, LayerStatus::Downloaded);
        let (events, mut receiver) = EventSender::channel();
        for event in [
            moving(a, 1),
            moving(b, 2),
            moving(a, 3),
            downloaded.clone(),
            moving(a, 4),
            moving(b, 5),
            PullEvent::Committing,
            moving(b, 6),
        ] {
            events.send(event);
        }
        let received: Vec<_> = std::iter::from_fn(|| receiver.try_next()).collect();
        assert_eq!(
            received,
            [
                moving(a, 3),
                moving(b, 5),
                downloaded,
                moving(a, 4),
                PullEvent::Committing,
                moving(b, 6),
            ]
        );
    }
}
