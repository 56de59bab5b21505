//! Reads bodies within bounds: of size, and of patience.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::time::{Instant, timeout};

use crate::cause::Cause;
use crate::config::Timeouts;
use crate::error::{Asked, Phase, RegistryError};

/// The body of a response, read at the peer's pace as long as that is bearable.
#[derive(Debug)]
pub(crate) struct Body {
    response: Response,
    patience: Patience,
}

/// Why there is no next chunk.
pub(crate) enum BodyError {
    Stalled,
    Broken(Cause),
}

/// Counts how long was waited for how much.
///
/// Only waiting counts: a caller that is slow to ask for more does not use it up.
#[derive(Debug)]
struct Patience {
    stall: Duration,
    floor: u64,
    waited: Duration,
    received: u64,
}

impl Body {
    pub(crate) fn new(response: Response, timeouts: &Timeouts) -> Self {
        Self {
            response,
            patience: Patience::new(timeouts),
        }
    }

    /// Returns the next bytes, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let started = Instant::now();
        let chunk = timeout(self.patience.left(), self.response.chunk())
            .await
            .map_err(|_| BodyError::Stalled)?
            .map_err(|error| BodyError::Broken(Cause::new(error)))?;
        let Some(chunk) = chunk else { return Ok(None) };
        if self.patience.bears(started.elapsed(), chunk.len() as u64) {
            Ok(Some(chunk))
        } else {
            Err(BodyError::Stalled)
        }
    }

    /// Reads the whole body, if it is of at most `limit` bytes.
    pub(crate) async fn whole(mut self, asked: &Asked, limit: u64) -> Result<Bytes, RegistryError> {
        let too_large = || RegistryError::TooLarge {
            asked: asked.boxed(),
            limit,
        };
        if self
            .response
            .content_length()
            .is_some_and(|length| length > limit)
        {
            return Err(too_large());
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = self.next().await.map_err(|error| error.into_error(asked))? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    /// Reads what there is of the body up to `limit` bytes, for a message: no failure matters.
    pub(crate) async fn beginning(mut self, limit: u64) -> Bytes {
        let mut bytes = BytesMut::new();
        while let Ok(Some(chunk)) = self.next().await {
            let room = usize::try_from(limit).unwrap_or(usize::MAX) - bytes.len();
            bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
        bytes.freeze()
    }
}

impl BodyError {
    pub(crate) fn into_error(self, asked: &Asked) -> RegistryError {
        let asked = asked.boxed();
        match self {
            Self::Stalled => RegistryError::Timeout {
                asked,
                waiting_for: Phase::Body,
            },
            Self::Broken(source) => RegistryError::Transport { asked, source },
        }
    }
}

impl Patience {
    fn new(timeouts: &Timeouts) -> Self {
        Self {
            stall: timeouts.stall,
            floor: timeouts.floor.max(1),
            waited: Duration::ZERO,
            received: 0,
        }
    }

    fn left(&self) -> Duration {
        self.stall.saturating_sub(self.waited)
    }

    /// Takes note of a chunk; tells whether the pace is still bearable.
    fn bears(&mut self, waited: Duration, received: u64) -> bool {
        self.waited += waited;
        self.received += received;
        if self.received >= self.floor {
            (self.waited, self.received) = (Duration::ZERO, 0);
        }
        self.waited < self.stall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience::new(&Timeouts {
            stall: Duration::from_secs(30),
            floor: 100,
            ..Timeouts::default()
        })
    }

    /// T33: ten bytes every ten seconds are not progress.
    #[test]
    fn a_trickle_uses_up_the_patience() {
        let mut patience = patience();
        assert!(patience.bears(Duration::from_secs(10), 10));
        assert!(patience.bears(Duration::from_secs(10), 10));
        assert_eq!(patience.left(), Duration::from_secs(10));
        assert!(!patience.bears(Duration::from_secs(10), 10));
    }

    #[test]
    fn progress_restores_it() {
        let mut patience = patience();
        assert!(patience.bears(Duration::from_secs(29), 60));
        assert!(patience.bears(Duration::from_millis(1), 40));
        assert_eq!(patience.left(), Duration::from_secs(30));
    }
}
