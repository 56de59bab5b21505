//! What one layer did.

use serde::Serialize;
use windlass::text::escape;
use windlass::{Digest, LayerStatus, PlannedLayer};

use super::track::{Micros, Span, Track};

/// The record of a layer.
#[derive(Debug, Serialize)]
pub(crate) struct LayerRecord {
    pub(crate) digest: Digest,
    /// The compressed size.
    size: u64,
    /// What it does, or did when the pull ended.
    state: State,
    /// Who was asked last.
    source: Option<String>,
    /// How often somebody was asked.
    tries: u32,
    #[serde(flatten)]
    moved: Moved,
    /// Bytes of file content, once all are unpacked.
    content: Option<u64>,
    #[serde(flatten)]
    track: Track<State>,
    /// When it was unpacked, which goes on while it downloads.
    unpacking: Option<Span<State>>,
}

/// What a layer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It is here already.
    Exists,
    /// Waits for a slot.
    Waiting,
    /// Waits because the endpoint wants to be left alone.
    Paused,
    /// Asks an endpoint; the first bytes have not been counted yet.
    Connecting,
    /// Bytes arrive.
    Downloading,
    /// Waits to try again.
    Retrying,
    /// All bytes have arrived, and some are still to be unpacked.
    Unpacking,
    /// Verified and unpacked.
    Done,
}

/// Compressed bytes that moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Moved {
    pub(crate) downloaded: u64,
    pub(crate) unpacked: u64,
}

impl LayerRecord {
    /// Begins the record of a layer of a plan that was made at `now`.
    pub(crate) fn new(planned: &PlannedLayer, now: Micros) -> Self {
        let mut record = Self {
            digest: planned.digest,
            size: planned.size,
            state: State::Exists,
            source: None,
            tries: 0,
            moved: Moved::default(),
            content: None,
            track: Track::default(),
            unpacking: None,
        };
        if !planned.exists {
            record.turn(State::Waiting, now);
        }
        record
    }

    /// Takes in what the layer told; returns the bytes that moved since it last did.
    pub(crate) fn apply(&mut self, status: &LayerStatus, now: Micros) -> Moved {
        let mut news = Moved::default();
        match status {
            LayerStatus::Connecting { endpoint, .. } => {
                self.tries = self.tries.saturating_add(1);
                self.source = Some(escape(&endpoint.to_string()).into_owned());
            }
            LayerStatus::Moving {
                downloaded,
                unpacked,
            } => {
                let before = self.moved;
                self.moved = Moved {
                    downloaded: *downloaded,
                    unpacked: *unpacked,
                };
                news = self.moved.since(before);
            }
            LayerStatus::Unpacked { size, .. } => self.content = Some(*size),
            // It came before, and says nothing about how fast the rest comes.
            LayerStatus::Resumed { bytes } => self.moved.downloaded = *bytes,
            LayerStatus::Queued
            | LayerStatus::Paused { .. }
            | LayerStatus::Downloaded
            | LayerStatus::Verifying
            | LayerStatus::Retrying { .. } => {}
        }
        let state = State::after(status, news.downloaded > 0);
        if news.unpacked > 0 || state == Some(State::Unpacking) {
            self.unpacking.get_or_insert(Span {
                state: State::Unpacking,
                from: now,
                to: now,
            });
        }
        if let Some(state) = state {
            self.turn(state, now);
        }
        news
    }

    /// Notes that its pull is over, whatever came of it.
    pub(crate) fn end(&mut self, now: Micros) {
        self.track.end(now);
        if let Some(unpacking) = &mut self.unpacking
            && self.state != State::Done
        {
            unpacking.to = now;
        }
    }

    fn turn(&mut self, state: State, now: Micros) {
        match state {
            State::Done => self.end(now),
            _ => self.track.turn(state, now),
        }
        self.state = state;
    }
}

impl State {
    /// Returns what a layer does that tells `status`; `None` if it does what it did. `has_arrived` tells whether
    /// bytes did.
    fn after(status: &LayerStatus, has_arrived: bool) -> Option<Self> {
        Some(match status {
            LayerStatus::Queued => Self::Waiting,
            LayerStatus::Paused { .. } => Self::Paused,
            LayerStatus::Connecting { .. } => Self::Connecting,
            LayerStatus::Moving { .. } if has_arrived => Self::Downloading,
            // Unpacking goes on while the download waits, and what was here before does not move: what there is to
            // see is what comes before and after.
            LayerStatus::Moving { .. } | LayerStatus::Resumed { .. } | LayerStatus::Verifying => {
                return None;
            }
            LayerStatus::Downloaded => Self::Unpacking,
            LayerStatus::Retrying { .. } => Self::Retrying,
            LayerStatus::Unpacked { .. } => Self::Done,
        })
    }
}

impl Moved {
    /// Adds what moved since.
    pub(crate) fn add(&mut self, news: Self) {
        self.downloaded = self.downloaded.saturating_add(news.downloaded);
        self.unpacked = self.unpacked.saturating_add(news.unpacked);
    }

    /// What was thrown away and begins anew counts again when it comes again.
    fn since(self, before: Self) -> Self {
        Self {
            downloaded: self.downloaded.saturating_sub(before.downloaded),
            unpacked: self.unpacked.saturating_sub(before.unpacked),
        }
    }
}
