//! The record of one pull.

use std::collections::HashMap;

use serde::Serialize;
use windlass::image::{Digest, ImageId};
use windlass::transfer::{LayerStatus, PlannedLayer, Reason};
use windlass::{
    PullEvent, PullOutcome, Pulled,
    text::{self, escape},
};

use super::layer::{LayerRecord, Moved};
use super::track::{Micros, Track};

/// The largest number of setbacks that the record of a pull has.
const MOST_SETBACKS: usize = 50;

/// The record of a pull.
#[derive(Debug, Serialize)]
pub(crate) struct PullRecord {
    reference: String,
    stage: Stage,
    #[serde(flatten)]
    track: Track<PullStep>,
    digest: Option<Digest>,
    image_id: Option<ImageId>,
    platform: Option<String>,
    /// The endpoint that resolved the reference.
    endpoint: Option<String>,
    missing_bytes: u64,
    reused_bytes: u64,
    /// Bytes of file content, once all are unpacked.
    content: Option<u64>,
    /// Each blob once, in the order of the image.
    layers: Vec<LayerRecord>,
    /// The index of each blob in `layers`.
    #[serde(skip)]
    places: HashMap<Digest, usize>,
    setbacks: Vec<SetbackRecord>,
    /// The number of setbacks beyond the limit.
    more_setbacks: u64,
    failure: Option<FailureRecord>,
}

/// The stage of a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// The pull has not started.
    Queued,
    Running,
    Pulled,
    UpToDate,
    Failed,
    /// The pull was running when the command ended.
    Stopped,
}

/// The phase of a running pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum PullStep {
    Resolving,
    Fetching,
    Committing,
}

/// A failed attempt.
#[derive(Debug, Serialize)]
struct SetbackRecord {
    at: Micros,
    layer: Option<Digest>,
    error: String,
}

/// Why a pull or the whole command failed. All texts are one line each and escaped for terminals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureRecord {
    /// What failed, where and why.
    pub message: String,
    /// The errors of the endpoints that were tried before.
    pub tried: Vec<String>,
    /// What can be done about it.
    pub hint: Option<String>,
}

impl PullRecord {
    /// Makes the record of a pull that has not started.
    pub(crate) fn new(reference: &str) -> Self {
        Self {
            reference: escape(reference).into_owned(),
            stage: Stage::Queued,
            track: Track::default(),
            digest: None,
            image_id: None,
            platform: None,
            endpoint: None,
            missing_bytes: 0,
            reused_bytes: 0,
            content: None,
            layers: Vec::new(),
            places: HashMap::new(),
            setbacks: Vec::new(),
            more_setbacks: 0,
            failure: None,
        }
    }

    pub(crate) fn start(&mut self, now: Micros) {
        self.stage = Stage::Running;
        self.track.turn(PullStep::Resolving, now);
    }

    /// Applies an event. Returns the blob and the bytes that were transferred, if there are any.
    pub(crate) fn apply(&mut self, event: &PullEvent, now: Micros) -> Option<(Digest, Moved)> {
        match event {
            PullEvent::Resolving { .. } => {}
            PullEvent::Setback(setback) => self.setback(now, None, &setback.reason),
            PullEvent::Resolved {
                endpoint,
                digest,
                platform,
            } => {
                self.digest = Some(*digest);
                self.platform = Some(escape(&platform.to_string()).into_owned());
                self.endpoint = Some(escape(&endpoint.to_string()).into_owned());
            }
            PullEvent::Planned {
                layers,
                missing_bytes,
                reused_bytes,
                ..
            } => {
                (self.missing_bytes, self.reused_bytes) = (*missing_bytes, *reused_bytes);
                self.track.turn(PullStep::Fetching, now);
                self.plan(layers, now);
            }
            PullEvent::Layer { digest, status } => {
                if let LayerStatus::Retrying { reason, .. } = status {
                    self.setback(now, Some(*digest), reason);
                }
                let place = *self.places.get(digest)?;
                return Some((*digest, self.layers[place].apply(status, now)));
            }
            PullEvent::Committing => self.track.turn(PullStep::Committing, now),
        }
        None
    }

    pub(crate) fn pulled(&mut self, pulled: &Pulled, now: Micros) {
        self.image_id = Some(pulled.image_id);
        self.content = Some(pulled.unpacked_bytes);
        self.end(now);
        self.stage = match pulled.outcome {
            PullOutcome::Downloaded => Stage::Pulled,
            PullOutcome::UpToDate => Stage::UpToDate,
        };
    }

    pub(crate) fn failed(&mut self, failure: FailureRecord, now: Micros) {
        self.failure = Some(failure);
        self.end(now);
        self.stage = Stage::Failed;
    }

    /// Ends the record. A running pull was stopped.
    pub(crate) fn end(&mut self, now: Micros) {
        if self.stage != Stage::Running {
            return;
        }
        self.stage = Stage::Stopped;
        self.track.end(now);
        for layer in &mut self.layers {
            layer.end(now);
        }
    }

    fn plan(&mut self, layers: &[PlannedLayer], now: Micros) {
        for layer in layers {
            // A blob that occurs twice in the image is transferred once.
            self.places.entry(layer.digest).or_insert_with(|| {
                self.layers.push(LayerRecord::new(layer, now));
                self.layers.len() - 1
            });
        }
    }

    fn setback(&mut self, at: Micros, layer: Option<Digest>, reason: &Reason) {
        if self.setbacks.len() == MOST_SETBACKS {
            self.more_setbacks += 1;
            return;
        }
        let error = escape(&text::error_chain(&*reason.0)).into_owned();
        self.setbacks.push(SetbackRecord { at, layer, error });
    }
}
