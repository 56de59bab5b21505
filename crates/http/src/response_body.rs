//! Reads response bodies with limits on size and on idle time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper_core::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout};

use crate::cause::Cause;
use crate::pooled::ConnectionHandle;

/// The body of a response.
///
/// Dropping it before its end closes the connection, or the stream in HTTP/2.
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    connection: ConnectionHandle,
    progress: ProgressMeter,
}

/// The minimum progress that a body must make.
///
/// A body that delivers fewer than `floor` bytes within `stall` of waiting fails. Time in which the caller
/// does not read is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyTimeout {
    /// How long to wait for `floor` bytes.
    pub stall: Duration,
    /// How many bytes count as progress; at least 1.
    pub floor: u64,
}

/// Why a body cannot be read any further.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BodyError {
    /// Too few bytes arrived within the stall timeout.
    #[error("timed out waiting for more of the response")]
    Stalled,
    /// The body is larger than the caller's limit.
    #[error("larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The connection failed before the end of the body.
    #[error("the connection failed")]
    Transport {
        /// What happened to the connection.
        source: Cause,
    },
}

/// Measures the time spent waiting and the bytes received since the last progress.
#[derive(Debug)]
struct ProgressMeter {
    limits: BodyTimeout,
    waited: Duration,
    received: u64,
}

impl ResponseBody {
    pub(crate) fn new(
        incoming: Incoming,
        connection: ConnectionHandle,
        limits: BodyTimeout,
    ) -> Self {
        Self {
            incoming,
            connection,
            progress: ProgressMeter::new(limits),
        }
    }

    /// Returns the next bytes, at least one, or `None` at the end.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let started = Instant::now();
            let frame = timeout(self.progress.time_left(), self.incoming.frame())
                .await
                .map_err(|_| self.stalled())?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| BodyError::Transport {
                source: Cause::new(error),
            })?;
            // Trailers are ignored.
            let chunk = frame.into_data().unwrap_or_default();
            if !self.progress.record(started.elapsed(), chunk.len() as u64) {
                return Err(self.stalled());
            }
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
    }

    /// Reads the whole body; fails if it is larger than `limit` bytes.
    pub async fn read_to_end(mut self, limit: u64) -> Result<Bytes, BodyError> {
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

    /// Reads up to `limit` bytes of the body, for an error message. A failure ends the text early.
    pub async fn read_prefix(mut self, limit: usize) -> Bytes {
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
        self.connection.discard();
        BodyError::Stalled
    }
}

impl ProgressMeter {
    fn new(limits: BodyTimeout) -> Self {
        Self {
            limits,
            waited: Duration::ZERO,
            received: 0,
        }
    }

    fn time_left(&self) -> Duration {
        self.limits.stall.saturating_sub(self.waited)
    }

    /// Adds `waited` and `received` to the totals; returns whether the body still makes enough progress.
    fn record(&mut self, waited: Duration, received: u64) -> bool {
        self.waited += waited;
        self.received += received;
        if self.received >= self.limits.floor.max(1) {
            (self.waited, self.received) = (Duration::ZERO, 0);
        }
        self.waited < self.limits.stall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> ProgressMeter {
        ProgressMeter::new(BodyTimeout {
            stall: Duration::from_secs(30),
            floor: 100,
        })
    }

    /// T33: ten bytes every ten seconds are not progress.
    #[test]
    fn a_trickle_exhausts_the_stall_timeout() {
        let mut progress = progress();
        assert!(progress.record(Duration::from_secs(10), 10));
        assert!(progress.record(Duration::from_secs(10), 10));
        assert_eq!(progress.time_left(), Duration::from_secs(10));
        assert!(!progress.record(Duration::from_secs(10), 10));
    }

    #[test]
    fn progress_resets_the_stall_timeout() {
        let mut progress = progress();
        assert!(progress.record(Duration::from_secs(29), 60));
        assert!(progress.record(Duration::from_millis(1), 40));
        assert_eq!(progress.time_left(), Duration::from_secs(30));
    }
}
