//! Decides how to react to an error.

use std::time::Duration;

use windlass_http::{ConnectFailure, ProxyFailure};

use crate::auth_error::AuthError;
use crate::error::RegistryError;
use crate::request_context::RequestKind;
use crate::tag_or_digest::TagOrDigest;

/// The reaction to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Repeat the request at the same endpoint, not before `after` if given. The delay may have any length;
    /// the caller decides which is too long.
    Retry {
        /// The delay that the registry requested.
        after: Option<Duration>,
    },
    /// Try another endpoint; the same one would fail again.
    NextEndpoint,
    /// Give up: no endpoint can help.
    Stop,
}

impl RegistryError {
    /// Returns the reaction to this error.
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
            Self::Connect { failure, .. } => next_step_for_connect(*failure),
            Self::Proxy { source, .. } => next_step_for_proxy(source),
            Self::Auth { source, .. } => match source {
                // A local problem of the user: continuing would silently use other credentials (D9).
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
            // The upload has another offset than expected, or has expired: its state is requested, or it is
            // started again.
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

fn next_step_for_connect(failure: ConnectFailure) -> NextStep {
    match failure {
        ConnectFailure::NoSuchHost => NextStep::NextEndpoint,
        ConnectFailure::Refused
        | ConnectFailure::Unreachable
        | ConnectFailure::NameServer
        | ConnectFailure::Other => NextStep::Retry { after: None },
    }
}

fn next_step_for_proxy(failure: &ProxyFailure) -> NextStep {
    match failure {
        ProxyFailure::Connect { failure, .. } => next_step_for_connect(*failure),
        ProxyFailure::Transport { .. } => NextStep::Retry { after: None },
        // A gateway's error about the other side, which may be temporary.
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
