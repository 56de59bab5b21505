//! Reads bodies within bounds: of size, and of patience.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper_core::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout};

use crate::cause::Cause;
use crate::line::Line;

/// The body of a response, read at the peer's pace as long as that is bearable.
///
/// Dropping it before its end closes the connection, or in HTTP/2 the stream.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    line: Line,
    pace: Pace,
}

/// How long to wait for how much of a body.
///
/// A connection that brings less than `floor` bytes in `stall` of waiting is given up. Time in which the
/// caller does not ask for more is not waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyTimeout {
    /// For how long progress may fail to come.
    pub stall: Duration,
    /// How many bytes are progress; at least 1.
    pub floor: u64,
}

/// Why there is no more of a body.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BodyError {
    /// Nothing, or too little, came for too long.
    #[error("timed out waiting for more of the answer")]
    Stalled,
    /// It is larger than the caller's limit.
    #[error("larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The connection broke before its end.
    #[error("the connection failed")]
    Transport {
        /// What happened to it.
        source: Cause,
    },
}

/// Counts how long was waited for how much.
#[derive(Debug)]
struct Pace {
    patience: BodyTimeout,
    waited: Duration,
    received: u64,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, line: Line, patience: BodyTimeout) -> Self {
        Self {
            incoming,
            line,
            pace: Pace::new(patience),
        }
    }

    /// Returns the next bytes, at least one, or `None` at the end.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let started = Instant::now();
            let frame = timeout(self.pace.left(), self.incoming.frame())
                .await
                .map_err(|_| self.stalled())?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| BodyError::Transport {
                source: Cause::new(error),
            })?;
            // Trailers say nothing that is needed.
            let chunk = frame.into_data().unwrap_or_default();
            if !self.pace.bears(started.elapsed(), chunk.len() as u64) {
                return Err(self.stalled());
            }
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
    }

    /// Reads the whole body, if it is of at most `limit` bytes.
    pub async fn whole(mut self, limit: u64) -> Result<Bytes, BodyError> {
        let too_large = BodyError::TooLarge { limit };
        if self.incoming.size_hint().lower() > limit {
            return Err(too_large);
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = self.next_chunk().await? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    /// Reads what there is of the body up to `limit` bytes, for a message: no failure matters.
    pub async fn beginning(mut self, limit: usize) -> Bytes {
        let mut bytes = BytesMut::new();
        while let Ok(Some(chunk)) = self.next_chunk().await {
            let room = limit - bytes.len();
            bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
        bytes.freeze()
    }

    fn stalled(&self) -> BodyError {
        self.line.give_up();
        BodyError::Stalled
    }
}

impl Pace {
    fn new(patience: BodyTimeout) -> Self {
        Self {
            patience,
            waited: Duration::ZERO,
            received: 0,
        }
    }

    fn left(&self) -> Duration {
        self.patience.stall.saturating_sub(self.waited)
    }

    /// Takes note of a chunk; tells whether the pace is still bearable.
    fn bears(&mut self, waited: Duration, received: u64) -> bool {
        self.waited += waited;
        self.received += received;
        if self.received >= self.patience.floor.max(1) {
            (self.waited, self.received) = (Duration::ZERO, 0);
        }
        self.waited < self.patience.stall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace::new(BodyTimeout {
            stall: Duration::from_secs(30),
            floor: 100,
        })
    }

    /// T33: ten bytes every ten seconds are not progress.
    #[test]
    fn a_trickle_uses_up_the_patience() {
        let mut pace = pace();
        assert!(pace.bears(Duration::from_secs(10), 10));
        assert!(pace.bears(Duration::from_secs(10), 10));
        assert_eq!(pace.left(), Duration::from_secs(10));
        assert!(!pace.bears(Duration::from_secs(10), 10));
    }

    #[test]
    fn progress_restores_it() {
        let mut pace = pace();
        assert!(pace.bears(Duration::from_secs(29), 60));
        assert!(pace.bears(Duration::from_millis(1), 40));
        assert_eq!(pace.left(), Duration::from_secs(30));
    }
}
