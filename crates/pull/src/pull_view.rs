//! The state of one pull, computed from its events: totals, throughput, remaining time and the state of each layer.
//!
//! The view reads no clock and renders no text: callers pass the times of events, and render the numbers.

use std::collections::HashMap;
use std::time::Duration;

use windlass_archive::SkippedItems;
use windlass_oci::{Digest, Platform, text};
use windlass_registry::Origin;

use crate::events::{LayerStatus, PlannedLayer, PullEvent, Setback};
use crate::layer_view::LayerView;
use crate::throughput::Throughput;

/// The state of one pull, computed from its events.
#[derive(Debug)]
pub struct PullView {
    name: String,
    phase: PullPhase,
    platform: Option<Platform>,
    /// The layers that are fetched, each once, in the order of the image.
    layers: Vec<LayerView>,
    /// The index of each blob in `layers`.
    indexes: HashMap<Digest, usize>,
    /// The number of layers of the image, including stored and repeated ones.
    layer_count: usize,
    cached_count: usize,
    missing_bytes: u64,
    reused_bytes: u64,
    skipped: SkippedItems,
    downloading: Throughput,
    unpacking: Throughput,
    /// The last failed request for a document, until a later request has succeeded.
    setback: Option<SetbackView>,
}

/// A failed request for a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetbackView {
    /// When the request is sent again to the same endpoint, on the clock of the events; `None` if it is sent to another
    /// endpoint.
    pub again_at: Option<Duration>,
    /// The error text, which may contain text from the registry.
    pub error: String,
}

/// The phase of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPhase {
    /// The reference is being resolved at the registry.
    Resolving,
    /// The reference is resolved, and the layers are being planned.
    Planning,
    /// Layers are downloaded and unpacked.
    Moving,
    /// All layers are unpacked; the image is being made durable and visible.
    Committing,
}

impl PullView {
    /// Creates the view of a pull without events; `name` is the display name of the image.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            phase: PullPhase::Resolving,
            platform: None,
            layers: Vec::new(),
            indexes: HashMap::new(),
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

    /// Applies an event that was received at `now`.
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
                self.add_layers(layers);
                self.measure(now);
            }
            PullEvent::Layer { digest, status } => {
                if let Some(&index) = self.indexes.get(digest) {
                    self.layers[index].apply(status, now);
                    self.measure(now);
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

    /// Returns the display name of the image.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the phase of the pull.
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

    /// Returns the last failed request for a document, until a later request has succeeded.
    pub fn setback(&self) -> Option<&SetbackView> {
        self.setback.as_ref()
    }

    /// Returns the display name of the endpoint of the latest request for a layer.
    pub fn endpoint_name(&self, digest: &Digest) -> &str {
        let layer = self.indexes.get(digest).map(|index| &self.layers[*index]);
        let source = layer.and_then(|layer| layer.source.as_ref());
        source.map_or("the registry", Origin::authority)
    }

    /// Returns the number of the image's layers.
    pub fn layer_count(&self) -> usize {
        self.layer_count
    }

    /// Returns the number of layers that were stored before the pull.
    pub fn cached_count(&self) -> usize {
        self.cached_count
    }

    /// Returns the planned number of bytes to download.
    pub fn missing_bytes(&self) -> u64 {
        self.missing_bytes
    }

    /// Returns the compressed bytes of layers that were stored before the pull.
    pub fn reused_bytes(&self) -> u64 {
        self.reused_bytes
    }

    /// Returns how many of [`Self::missing_bytes`] unfinished earlier pulls have downloaded.
    pub fn resumed(&self) -> u64 {
        self.layers.iter().map(|layer| layer.resumed).sum()
    }

    /// Returns how many of [`Self::missing_bytes`] were downloaded, in this pull or an earlier one.
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

    /// Returns the items that were skipped in the layers unpacked so far.
    pub fn skipped(&self) -> SkippedItems {
        self.skipped
    }

    /// Returns whether all bytes are downloaded.
    pub fn is_downloaded(&self) -> bool {
        self.downloaded() == self.missing_bytes
    }

    /// Returns the throughput in bytes per second, or `None` while there are too few samples.
    pub fn rate(&self, now: Duration) -> Option<f64> {
        self.downloading.per_second(now)
    }

    /// Estimates the time until all layers are unpacked: the longer one of the remaining times to download and to unpack.
    pub fn time_left(&self, now: Duration) -> Option<Duration> {
        let download_time = self
            .downloading
            .time_for(self.missing_bytes - self.downloaded(), now)?;
        let unpack_time = self
            .unpacking
            .time_for(self.missing_bytes - self.unpacked(), now);
        Some(unpack_time.map_or(download_time, |time| time.max(download_time)))
    }

    fn add_layers(&mut self, layers: &[PlannedLayer]) {
        self.layer_count = layers.len();
        self.cached_count = layers.iter().filter(|layer| layer.exists).count();
        for layer in layers.iter().filter(|layer| !layer.exists) {
            // A repeated blob is downloaded once.
            self.indexes.entry(layer.digest).or_insert_with(|| {
                self.layers.push(LayerView::new(layer));
                self.layers.len() - 1
            });
        }
    }

    /// Measures the throughput at `now`.
    fn measure(&mut self, now: Duration) {
        // Bytes of earlier pulls do not count.
        let new = self.downloaded().saturating_sub(self.resumed());
        self.downloading.record(now, new);
        self.unpacking.record(now, self.unpacked());
    }
}

/// Returns `done` of `total` in percent, rounded down.
pub fn percent(done: u64, total: u64) -> u64 {
    match total {
        0 => 100,
        _ => u64::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(100),
    }
}
