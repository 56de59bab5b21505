//! The record of one layer.

use serde::Serialize;
use windlass::image::Digest;
use windlass::text::escape;
use windlass::transfer::{LayerStatus, PlannedLayer};

use super::track::{Micros, StateSpan, Track};

/// The record of a layer.
#[derive(Debug, Serialize)]
pub(crate) struct LayerRecord {
    pub(crate) digest: Digest,
    /// The compressed size.
    size: u64,
    /// The current state, or the last one when the pull ended.
    state: State,
    /// The endpoint of the last attempt.
    source: Option<String>,
    /// The number of attempts.
    tries: u32,
    #[serde(flatten)]
    moved: Moved,
    /// Bytes of file content, once all are unpacked.
    content: Option<u64>,
    #[serde(flatten)]
    track: Track<State>,
    /// The time of unpacking, which overlaps the download.
    unpacking: Option<StateSpan<State>>,
}

/// The state of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// The store has the layer already.
    Exists,
    /// The layer waits for a download slot.
    Waiting,
    /// The endpoint limits the rate of requests.
    Paused,
    /// A request was sent; no bytes have arrived yet.
    Connecting,
    /// Bytes arrive.
    Downloading,
    /// The layer waits for the next attempt.
    Retrying,
    /// All bytes have arrived, and some are not unpacked yet.
    Unpacking,
    /// The layer is verified and unpacked.
    Done,
}

/// Numbers of compressed bytes.
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

    /// Applies an event of the layer. Returns the bytes that were transferred since the previous one.
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
            // Bytes of an earlier pull do not count for the throughput.
            LayerStatus::Resumed { bytes } => self.moved.downloaded = *bytes,
            LayerStatus::Queued
            | LayerStatus::Paused { .. }
            | LayerStatus::Downloaded
            | LayerStatus::Verifying
            | LayerStatus::Retrying { .. } => {}
        }
        let state = State::after(status, news.downloaded > 0);
        if news.unpacked > 0 || state == Some(State::Unpacking) {
            self.unpacking.get_or_insert(StateSpan {
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

    /// Ends the record with the pull.
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
            State::Exists
            | State::Waiting
            | State::Paused
            | State::Connecting
            | State::Downloading
            | State::Retrying
            | State::Unpacking => self.track.turn(state, now),
        }
        self.state = state;
    }
}

impl State {
    /// Returns the state after an event; `None` if the event does not change it. `has_arrived` states whether new bytes
    /// arrived.
    fn after(status: &LayerStatus, has_arrived: bool) -> Option<Self> {
        Some(match status {
            LayerStatus::Queued => Self::Waiting,
            LayerStatus::Paused { .. } => Self::Paused,
            LayerStatus::Connecting { .. } => Self::Connecting,
            LayerStatus::Moving { .. } if has_arrived => Self::Downloading,
            // Unpacking continues while the download waits, and resumed bytes do not move.
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
    /// Adds the bytes of an event.
    pub(crate) fn add(&mut self, news: Self) {
        self.downloaded = self.downloaded.saturating_add(news.downloaded);
        self.unpacked = self.unpacked.saturating_add(news.unpacked);
    }

    /// Returns the growth since `before`; zero after a restart of the download, whose bytes count again.
    fn since(self, before: Self) -> Self {
        Self {
            downloaded: self.downloaded.saturating_sub(before.downloaded),
            unpacked: self.unpacked.saturating_sub(before.unpacked),
        }
    }
}
