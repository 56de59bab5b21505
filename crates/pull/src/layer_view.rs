//! The state of one layer of a pull, computed from the pull's events.

use std::time::Duration;

use windlass_oci::{Digest, text};
use windlass_registry::Origin;

use crate::events::{LayerStatus, PlannedLayer};

/// A layer that is fetched.
#[derive(Debug)]
pub struct LayerView {
    /// The digest of the compressed blob.
    pub digest: Digest,
    /// The compressed size.
    pub size: u64,
    /// Compressed bytes that an earlier pull has downloaded.
    pub resumed: u64,
    /// Compressed bytes that are downloaded, including the resumed ones.
    pub downloaded: u64,
    /// Compressed bytes that are unpacked.
    pub unpacked: u64,
    /// The state of the layer.
    pub state: LayerState,
    /// The endpoint of the latest request for the layer.
    pub source: Option<Origin>,
}

/// The state of a layer that is fetched.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerState {
    /// The layer waits for a download slot.
    Queued,
    /// The layer waits because the endpoint requested a pause.
    Paused {
        /// The end of the pause, on the clock of the events.
        until: Duration,
    },
    /// The blob is being requested from an endpoint.
    Connecting {
        /// The number of the attempt, from 1.
        attempt: u32,
    },
    /// Bytes are being received.
    Downloading,
    /// All bytes were received, and some of them are not unpacked yet.
    Unpacking,
    /// All bytes are unpacked, and the digests are being compared.
    Verifying,
    /// The layer waits for the next attempt.
    Retrying {
        /// The time of the next attempt, on the clock of the events.
        at: Duration,
        /// The number of the next attempt.
        attempt: u32,
        /// The error text of the last attempt, which may contain text from the registry.
        error: String,
    },
    /// The layer is verified and unpacked.
    Done,
}

impl LayerView {
    pub(crate) fn new(planned: &PlannedLayer) -> Self {
        Self {
            digest: planned.digest,
            size: planned.size,
            resumed: 0,
            downloaded: 0,
            unpacked: 0,
            state: LayerState::Queued,
            source: None,
        }
    }

    /// Applies a status that was received at `now`.
    pub(crate) fn apply(&mut self, status: &LayerStatus, now: Duration) {
        match status {
            LayerStatus::Queued => self.state = LayerState::Queued,
            LayerStatus::Resumed { bytes } => {
                self.resumed = (*bytes).min(self.size);
                self.downloaded = self.resumed;
            }
            LayerStatus::Verifying => self.state = LayerState::Verifying,
            LayerStatus::Paused { after, .. } => {
                let until = now + *after;
                self.state = LayerState::Paused { until };
            }
            LayerStatus::Connecting { endpoint, attempt } => {
                self.source = Some(endpoint.clone());
                self.state = LayerState::Connecting { attempt: *attempt };
            }
            LayerStatus::Moving {
                downloaded,
                unpacked,
            } => {
                let has_new_bytes = *downloaded != self.downloaded;
                self.downloaded = (*downloaded).min(self.size);
                self.unpacked = (*unpacked).min(self.size);
                // While the download waits, unpacking continues: then the state stays the waiting one.
                if self.state == LayerState::Verifying {
                    // The last byte counts may be reported after the verification has started.
                } else if self.downloaded == self.size {
                    self.state = LayerState::Unpacking;
                } else if has_new_bytes {
                    self.state = LayerState::Downloading;
                }
            }
            LayerStatus::Downloaded => {
                self.downloaded = self.size;
                self.state = LayerState::Unpacking;
            }
            LayerStatus::Retrying {
                after,
                attempt,
                reason,
            } => {
                self.state = LayerState::Retrying {
                    at: now + *after,
                    attempt: *attempt,
                    error: text::error_chain(&*reason.0),
                };
            }
            LayerStatus::Unpacked { .. } => {
                self.downloaded = self.size;
                self.unpacked = self.size;
                self.state = LayerState::Done;
            }
        }
    }
}
