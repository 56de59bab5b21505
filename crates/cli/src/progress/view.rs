//! What one pull looks like right now, gathered from its events.
//!
//! Pure: events and times go in, numbers come out. The renderers make text of it.

use std::collections::HashMap;
use std::time::Duration;

use windlass::{Digest, LayerStatus, Origin, PlannedLayer, Platform, PullEvent, Setback, text};

use super::rate::Rate;

/// The state of one pull, as its events told it.
#[derive(Debug)]
pub(crate) struct PullView {
    name: String,
    phase: Phase,
    platform: Option<Platform>,
    /// Layers that are fetched, each once, in the order of the image.
    layers: Vec<LayerView>,
    /// Where each blob stands in `layers`.
    places: HashMap<Digest, usize>,
    /// All layers of the image, those present and repeated ones too.
    layer_count: usize,
    cached_count: usize,
    missing_bytes: u64,
    skipped: Skipped,
    downloading: Rate,
    unpacking: Rate,
    /// The last request for a document that failed, while what came of it is not known.
    setback: Option<SetbackView>,
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetbackView {
    /// When the same endpoint is asked again, on the clock of the events; `None` if another one is.
    pub(crate) again_at: Option<Duration>,
    /// Why it failed; text from elsewhere.
    pub(crate) error: String,
}

/// What an ordinary user, or the file system, could not take over from the layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// Device nodes.
    pub(crate) devices: u64,
    /// Extended attributes.
    pub(crate) xattrs: u64,
}

/// How far a pull has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The registry is being asked what the reference names.
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
pub(crate) struct LayerView {
    /// The digest of the compressed blob.
    pub(crate) digest: Digest,
    /// The compressed size.
    pub(crate) size: u64,
    /// Compressed bytes that have arrived.
    pub(crate) downloaded: u64,
    /// Compressed bytes that are unpacked.
    pub(crate) unpacked: u64,
    /// What it is doing.
    pub(crate) state: LayerState,
    /// Who was asked for it last.
    pub(crate) source: Option<Origin>,
}

/// What a layer is doing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LayerState {
    /// Waits for a download slot.
    Waiting,
    /// Waits because the endpoint wants to be left alone.
    Paused {
        /// Until when, on the clock of the events.
        until: Duration,
    },
    /// Asks an endpoint for the blob.
    Connecting {
        /// Which try this is, from 1.
        attempt: u32,
    },
    /// Bytes arrive.
    Downloading,
    /// All bytes are here and some are still to be unpacked.
    Unpacking,
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
    /// Makes the view of a pull that has told nothing yet; `name` is what people call the image.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            phase: Phase::Resolving,
            platform: None,
            layers: Vec::new(),
            places: HashMap::new(),
            layer_count: 0,
            cached_count: 0,
            missing_bytes: 0,
            skipped: Skipped::default(),
            downloading: Rate::default(),
            unpacking: Rate::default(),
            setback: None,
        }
    }

    /// Takes in what happened at `now`.
    pub(crate) fn apply(&mut self, event: &PullEvent, now: Duration) {
        match event {
            PullEvent::Resolving { .. } => self.phase = Phase::Resolving,
            PullEvent::Setback(Setback { after, reason, .. }) => {
                self.setback = Some(SetbackView {
                    again_at: after.map(|after| now + after),
                    error: text::chain(&*reason.0),
                });
            }
            PullEvent::Resolved { platform, .. } => {
                self.setback = None;
                self.phase = Phase::Planning;
                self.platform = Some(platform.clone());
            }
            PullEvent::Planned {
                layers,
                missing_bytes,
                ..
            } => {
                self.setback = None;
                self.phase = Phase::Moving;
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
            PullEvent::Committing => self.phase = Phase::Committing,
        }
    }

    /// Returns what people call the image.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns how far the pull has come.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns the platform, once it is known.
    pub(crate) fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// Returns the layers that are fetched, in the order of the image.
    pub(crate) fn layers(&self) -> &[LayerView] {
        &self.layers
    }

    /// Returns the last request for a document that failed, if its answer is still awaited.
    pub(crate) fn setback(&self) -> Option<&SetbackView> {
        self.setback.as_ref()
    }

    /// Returns who was asked last for the blob of a layer, as people call him.
    pub(crate) fn deliverer(&self, digest: &Digest) -> &str {
        let layer = self.places.get(digest).map(|place| &self.layers[*place]);
        let source = layer.and_then(|layer| layer.source.as_ref());
        source.map_or("the registry", Origin::authority)
    }

    /// Returns the number of the image's layers.
    pub(crate) fn layer_count(&self) -> usize {
        self.layer_count
    }

    /// Returns how many of them were here before.
    pub(crate) fn cached_count(&self) -> usize {
        self.cached_count
    }

    /// Returns the bytes that were to be downloaded when the pull was planned.
    pub(crate) fn missing_bytes(&self) -> u64 {
        self.missing_bytes
    }

    /// Returns how many of [`Self::missing_bytes`] have arrived.
    pub(crate) fn downloaded(&self) -> u64 {
        self.layers
            .iter()
            .map(|layer| layer.downloaded)
            .sum::<u64>()
            .min(self.missing_bytes)
    }

    /// Returns how many of [`Self::missing_bytes`] are unpacked.
    pub(crate) fn unpacked(&self) -> u64 {
        self.layers
            .iter()
            .map(|layer| layer.unpacked)
            .sum::<u64>()
            .min(self.missing_bytes)
    }

    /// Returns what the layers unpacked so far could not be given.
    pub(crate) fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Returns whether every byte is here.
    pub(crate) fn is_downloaded(&self) -> bool {
        self.downloaded() == self.missing_bytes
    }

    /// Returns the bytes a second that arrive, or `None` while it is too early to tell.
    pub(crate) fn rate(&self, now: Duration) -> Option<f64> {
        self.downloading.per_second(now)
    }

    /// Returns how long until the last layer is unpacked, as far as can be told: whatever takes longer,
    /// the wire or the disk.
    pub(crate) fn time_left(&self, now: Duration) -> Option<Duration> {
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
        self.downloading.note(now, self.downloaded());
        self.unpacking.note(now, self.unpacked());
    }
}

impl LayerView {
    fn new(planned: &PlannedLayer) -> Self {
        Self {
            digest: planned.digest,
            size: planned.size,
            downloaded: 0,
            unpacked: 0,
            state: LayerState::Waiting,
            source: None,
        }
    }

    fn apply(&mut self, status: &LayerStatus, now: Duration) {
        match status {
            LayerStatus::Waiting => self.state = LayerState::Waiting,
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
                if self.downloaded == self.size {
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
                    error: text::chain(&*reason.0),
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
pub(crate) fn percent(done: u64, total: u64) -> u64 {
    match total {
        0 => 100,
        _ => u64::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(100),
    }
}
