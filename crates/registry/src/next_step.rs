//! What to do about an error: the one place that decides it.

use std::time::Duration;

use crate::error::{ConnectFailure, RegistryError};

/// What a puller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Ask the same endpoint again, not before `after` if that is said. The wait can be of any length: the
    /// caller decides which is too long.
    Retry {
        /// The registry's own word on when.
        after: Option<Duration>,
    },
    /// Ask another endpoint; the same one would answer the same.
    NextEndpoint,
    /// Give up: no endpoint could help.
    Stop,
}

impl RegistryError {
    /// Returns what a puller should do about this error.
    pub fn next_step(&self) -> NextStep {
        match self {
            Self::TooManyRequests { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                NextStep::Retry {
                    after: *retry_after,
                }
            }
            Self::Storage { .. }
            | Self::Interrupted { .. }
            | Self::Timeout { .. }
            | Self::Transport { .. } => NextStep::Retry { after: None },
            Self::Size {
                expected, found, ..
            } if found < expected => NextStep::Retry { after: None },
            Self::Connect { failure, .. } => match failure {
                ConnectFailure::NoSuchHost => NextStep::NextEndpoint,
                ConnectFailure::Refused
                | ConnectFailure::Unreachable
                | ConnectFailure::NameServer
                | ConnectFailure::Other => NextStep::Retry { after: None },
            },
            Self::Unauthorized { .. }
            | Self::Denied { .. }
            | Self::NameUnknown { .. }
            | Self::ManifestUnknown { .. }
            | Self::BlobUnknown { .. }
            | Self::Unexpected { .. }
            | Self::NotARegistry { .. }
            | Self::Auth { .. }
            | Self::Redirect { .. }
            | Self::Digest { .. }
            | Self::DigestHeader { .. }
            | Self::Size { .. }
            | Self::TooLarge { .. }
            | Self::Tls { .. }
            | Self::Malformed { .. } => NextStep::NextEndpoint,
            Self::Manifest { .. } => NextStep::Stop,
        }
    }
}
