//! What to do about an error: the one place that decides it.

use std::time::Duration;

use windlass_http::{ConnectFailure, ProxyFailure};

use crate::auth::AuthError;
use crate::error::{RegistryError, RequestKind};
use crate::manifest::TagOrDigest;

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
            Self::Connect { failure, .. } => unconnected(*failure),
            Self::Proxy { source, .. } => no_way_through(source),
            Self::Auth { source, .. } => match source {
                // The user's own affair: to go on without a word would be to go on as somebody else (D9).
                AuthError::Credentials(_) | AuthError::RegistryToken | AuthError::Username => {
                    NextStep::Stop
                }
                AuthError::Realm { .. } | AuthError::Token(_) | AuthError::PlainHttp => {
                    NextStep::NextEndpoint
                }
            },
            Self::Manifest { context, .. } => match context.kind {
                RequestKind::Manifest(TagOrDigest::Tag(_)) => NextStep::NextEndpoint,
                _ => NextStep::Stop,
            },
            // An upload that is not where it was thought to be is asked how far it got, or begun anew.
            Self::Unexpected {
                context,
                status: 404 | 416,
                ..
            } if matches!(context.kind, RequestKind::Upload(_)) => NextStep::Retry { after: None },
            Self::Unauthorized { .. }
            | Self::Denied { .. }
            | Self::NameUnknown { .. }
            | Self::ManifestUnknown { .. }
            | Self::BlobUnknown { .. }
            | Self::Unexpected { .. }
            | Self::NotARegistry { .. }
            | Self::Redirect { .. }
            | Self::Digest { .. }
            | Self::DigestHeader { .. }
            | Self::Size { .. }
            | Self::TooLarge { .. }
            | Self::Tls { .. }
            | Self::Malformed { .. } => NextStep::NextEndpoint,
            Self::Setup { .. } => NextStep::Stop,
        }
    }
}

fn unconnected(failure: ConnectFailure) -> NextStep {
    match failure {
        ConnectFailure::NoSuchHost => NextStep::NextEndpoint,
        ConnectFailure::Refused
        | ConnectFailure::Unreachable
        | ConnectFailure::NameServer
        | ConnectFailure::Other => NextStep::Retry { after: None },
    }
}

fn no_way_through(failure: &ProxyFailure) -> NextStep {
    match failure {
        ProxyFailure::Connect { failure, .. } => unconnected(*failure),
        ProxyFailure::Transport { .. } => NextStep::Retry { after: None },
        // What a gateway says about the other side, and may not say the next time.
        ProxyFailure::Status { status: 500.. } | ProxyFailure::Socks { code: 1 | 3..=6 } => {
            NextStep::Retry { after: None }
        }
        ProxyFailure::Status { .. }
        | ProxyFailure::Socks { .. }
        | ProxyFailure::Tls { .. }
        | ProxyFailure::Credentials
        | ProxyFailure::NotAProxy => NextStep::NextEndpoint,
    }
}
