//! What one pull looks like right now, gathered from its events: totals, rate, time left, each layer.
//!
//! Pure: events and times go in, numbers come out. The caller renders them as text.

use std::collections::HashMap;
use std::time::Duration;

use windlass_archive::SkippedItems;
use windlass_oci::{Digest, Platform, text};
use windlass_registry::Origin;

use crate::events::{LayerStatus, PlannedLayer, PullEvent, Setback};
use crate::throughput::Throughput;

/// The state of one pull, computed from its events.
#[derive(Debug)]
pub struct PullView {
    name: String,
    phase: PullPhase,
    platform: Option<Platform>,
    /// Layers that are fetched, each once, in the order of the image.
    layers: Vec<LayerView>,
    /// Where each blob stands in `layers`.
    places: HashMap<Digest, usize>,
    /// All layers of the image, those present and repeated ones too.
    layer_count: usize,
    cached_count: usize,
    missing_bytes: u64,
    reused_bytes: u64,
    skipped: SkippedItems,
    downloading: Throughput,
    unpacking: Throughput,
    /// The last request for a document that failed, while what came of it is not known.
    setback: Option<SetbackView>,
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetbackView {
    /// When the same endpoint is tried again, on the clock of the events; `None` if another endpoint is tried.
    pub again_at: Option<Duration>,
    /// Why it failed; text from elsewhere.
    pub error: String,
}

/// How far a pull has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPhase {
    /// The reference is being resolved at the registry.
    Resolving,
    /// The manifest is known, the plan is not.
    Planning,
    /// Layers move.
    Moving,
    /// All layers are here; the image is being made durable and visible.
    Committing,
}

/// A layer that is fetched.
#[derive(Debug)]
pub struct LayerView {
    /// The digest of the compressed blob.
    pub digest: Digest,
    /// The compressed size.
    pub size: u64,
    /// Compressed bytes that were here from an earlier pull.
    pub resumed: u64,
    /// Compressed bytes that have arrived, those included.
    pub downloaded: u64,
    /// Compressed bytes that are unpacked.
    pub unpacked: u64,
    /// What it is doing.
    pub state: LayerState,
    /// The endpoint of the latest request for it.
    pub source: Option<Origin>,
}

/// What a layer is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerState {
    /// Waits for a download slot.
    Queued,
    /// Waits because the endpoint is rate limiting.
    Paused {
        /// Until when, on the clock of the events.
        until: Duration,
    },
    /// Requests the blob from an endpoint.
    Connecting {
        /// Which try this is, from 1.
        attempt: u32,
    },
    /// Bytes arrive.
    Downloading,
    /// All bytes are here and some are still to be unpacked.
    Unpacking,
    /// Everything is unpacked; whether it was the right blob is being found out.
    Verifying,
    /// Waits to try again.
    Retrying {
        /// When, on the clock of the events.
        at: Duration,
        /// The attempt that will follow.
        attempt: u32,
        /// Why the last one failed; text from elsewhere.
        error: String,
    },
    /// Verified and unpacked.
    Done,
}

impl PullView {
    /// Makes the view of a pull without events yet; `name` is the display name of the image.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            phase: PullPhase::Resolving,
            platform: None,
            layers: Vec::new(),
            places: HashMap::new(),
            layer_count: 0,
            cached_count: 0,
            missing_bytes: 0,
            reused_bytes: 0,
            skipped: SkippedItems::default(),
            downloading: Throughput::default(),
            unpacking: Throughput::default(),
            setback: None,
        }
    }

    /// Takes in what happened at `now`.
    pub fn apply(&mut self, event: &PullEvent, now: Duration) {
        match event {
            PullEvent::Resolving { .. } => self.phase = PullPhase::Resolving,
            PullEvent::Setback(Setback { after, reason, .. }) => {
                self.setback = Some(SetbackView {
                    again_at: after.map(|after| now + after),
                    error: text::error_chain(&*reason.0),
                });
            }
            PullEvent::Resolved { platform, .. } => {
                self.setback = None;
                self.phase = PullPhase::Planning;
                self.platform = Some(platform.clone());
            }
            PullEvent::Planned {
                layers,
                missing_bytes,
                reused_bytes,
                ..
            } => {
                self.reused_bytes = *reused_bytes;
                self.setback = None;
                self.phase = PullPhase::Moving;
                self.missing_bytes = *missing_bytes;
                self.plan(layers);
                self.note(now);
            }
            PullEvent::Layer { digest, status } => {
                if let Some(&place) = self.places.get(digest) {
                    self.layers[place].apply(status, now);
                    self.note(now);
                }
                if let LayerStatus::Unpacked {
                    skipped_devices,
                    skipped_xattrs,
                    ..
                } = status
                {
                    self.skipped.devices += skipped_devices;
                    self.skipped.xattrs += skipped_xattrs;
                }
            }
            PullEvent::Committing => self.phase = PullPhase::Committing,
        }
    }

    /// Returns what people call the image.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how far the pull has come.
    pub fn phase(&self) -> PullPhase {
        self.phase
    }

    /// Returns the platform, once it is known.
    pub fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// Returns the layers that are fetched, in the order of the image.
    pub fn layers(&self) -> &[LayerView] {
        &self.layers
    }

    /// Returns the last request for a document that failed, if its answer is still awaited.
    pub fn setback(&self) -> Option<&SetbackView> {
        self.setback.as_ref()
    }

    /// Returns the display name of the endpoint that was tried last for the blob of a layer.
    pub fn deliverer(&self, digest: &Digest) -> &str {
        let layer = self.places.get(digest).map(|place| &self.layers[*place]);
        let source = layer.and_then(|layer| layer.source.as_ref());
        source.map_or("the registry", Origin::authority)
    }

    /// Returns the number of the image's layers.
    pub fn layer_count(&self) -> usize {
        self.layer_count
    }

    /// Returns how many of them were here before.
    pub fn cached_count(&self) -> usize {
        self.cached_count
    }

    /// Returns the bytes that were to be downloaded when the pull was planned.
    pub fn missing_bytes(&self) -> u64 {
        self.missing_bytes
    }

    /// Returns the compressed bytes of layers that were here before.
    pub fn reused_bytes(&self) -> u64 {
        self.reused_bytes
    }

    /// Returns how many of [`Self::missing_bytes`] were here from earlier pulls that did not come to their end.
    pub fn resumed(&self) -> u64 {
        self.layers.iter().map(|layer| layer.resumed).sum()
    }

    /// Returns how many of [`Self::missing_bytes`] have arrived, in this pull or an earlier one.
    pub fn downloaded(&self) -> u64 {
        self.layers
            .iter()
            .map(|layer| layer.downloaded)
            .sum::<u64>()
            .min(self.missing_bytes)
    }

    /// Returns how many of [`Self::missing_bytes`] are unpacked.
    pub fn unpacked(&self) -> u64 {
        self.layers
            .iter()
            .map(|layer| layer.unpacked)
            .sum::<u64>()
            .min(self.missing_bytes)
    }

    /// Returns what the layers unpacked so far could not be given.
    pub fn skipped(&self) -> SkippedItems {
        self.skipped
    }

    /// Returns whether every byte is here.
    pub fn is_downloaded(&self) -> bool {
        self.downloaded() == self.missing_bytes
    }

    /// Returns the throughput in bytes per second, or `None` while there are too few samples.
    pub fn rate(&self, now: Duration) -> Option<f64> {
        self.downloading.per_second(now)
    }

    /// Estimates how long until the last layer is unpacked: the longer of the remaining download and the
    /// remaining unpacking.
    pub fn time_left(&self, now: Duration) -> Option<Duration> {
        let wire = self
            .downloading
            .time_for(self.missing_bytes - self.downloaded(), now)?;
        let disk = self
            .unpacking
            .time_for(self.missing_bytes - self.unpacked(), now);
        Some(disk.map_or(wire, |disk| disk.max(wire)))
    }

    fn plan(&mut self, layers: &[PlannedLayer]) {
        self.layer_count = layers.len();
        self.cached_count = layers.iter().filter(|layer| layer.exists).count();
        for layer in layers.iter().filter(|layer| !layer.exists) {
            // A blob that stands twice in the image moves once.
            self.places.entry(layer.digest).or_insert_with(|| {
                self.layers.push(LayerView::new(layer));
                self.layers.len() - 1
            });
        }
    }

    fn note(&mut self, now: Duration) {
        // Bytes that were present before the pull are no measure of its throughput.
        let new = self.downloaded().saturating_sub(self.resumed());
        self.downloading.note(now, new);
        self.unpacking.note(now, self.unpacked());
    }
}

impl LayerView {
    fn new(planned: &PlannedLayer) -> Self {
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

    fn apply(&mut self, status: &LayerStatus, now: Duration) {
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
                let has_arrived = *downloaded != self.downloaded;
                self.downloaded = (*downloaded).min(self.size);
                self.unpacked = (*unpacked).min(self.size);
                // Unpacking goes on while the download waits; that it waits is the news.
                if self.state == LayerState::Verifying {
                    // The last byte count may be reported after it.
                } else if self.downloaded == self.size {
                    self.state = LayerState::Unpacking;
                } else if has_arrived {
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

/// Returns `done` of `total` in whole percent, never rounded up to a hundred.
pub fn percent(done: u64, total: u64) -> u64 {
    match total {
        0 => 100,
        _ => u64::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(100),
    }
}
