//! Classifies errors: which fault they are, and whether the next endpoint is tried.

use std::time::Duration;

use windlass_http::TlsProblem;

use crate::auth_error::AuthError;
use crate::endpoint::Endpoint;
use crate::error::{RegistryError, WaitPhase};
use crate::host_health::EndpointFault;
use crate::request_context::RequestKind;
use crate::tag_or_digest::TagOrDigest;

/// What an error shows about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureClass {
    /// Nothing: the problem is local, or in the requested content, and the same at every endpoint.
    LocalProblem,
    /// It did not respond.
    NoResponse,
    /// Its response is not that of a registry.
    NotARegistry,
    /// It did not complete a response.
    Interrupted,
    /// It sent wrong content.
    WrongContent,
    /// It reported that it is unavailable.
    Unavailable,
    /// It sent a valid response of a registry.
    ValidResponse,
}

/// How far a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RequestProgress {
    /// There was no connection.
    NotConnected,
    /// There was a connection, but no response, or no TLS.
    Connected,
    /// A server responded that is not a registry, or one that expects TLS.
    OtherServer,
    /// The server and the client could not agree on TLS, or its certificate is not trusted.
    Tls,
    /// A registry responded.
    Response,
}

impl RegistryError {
    /// Returns whether `to` is tried after `from` failed with this error, once [`RegistryError::next_step`]
    /// does not return a retry. This is the table of FB-9:
    ///
    /// | failure | at a mirror | at the registry |
    /// |---|---|---|
    /// | a local problem, or the same at every endpoint | no | no |
    /// | no response | yes | yes |
    /// | a response that is not a registry's | yes | yes, unless it used TLS and `to` does not |
    /// | anything else: denied, unknown, interrupted, wrong bytes, too busy | yes | no |
    ///
    /// The endpoints after the registry's first one are other connections to the same host, so its response
    /// is final (better than FB-9, which repeats the request for unknown images); the response of a mirror
    /// never is (better than FB-13). After an endpoint with TLS has responded once, plain http on the same
    /// host is never tried (FB-4). Cancelling a request is not an error and tries nothing else (FB-5). Errors
    /// of other origins than a registry have no fallback (FB-6).
    pub fn falls_back(&self, from: &Endpoint, to: &Endpoint) -> bool {
        use FailureClass::{
            Interrupted, LocalProblem, NoResponse, NotARegistry, Unavailable, ValidResponse,
            WrongContent,
        };
        let class = self.failure_class();
        let responded = from.has_responded() || !matches!(class, LocalProblem | NoResponse);
        if responded && is_downgrade(from, to) {
            return false;
        }
        match class {
            LocalProblem => false,
            NoResponse | NotARegistry => true,
            ValidResponse | Unavailable | Interrupted | WrongContent => from.is_mirror(),
        }
    }

    /// Returns whether this error is more specific than `other`, which another endpoint of the same registry caused: the
    /// request got further. A response of a server that expects TLS to plain HTTP is less specific than a failure of TLS.
    pub fn is_more_specific_than(&self, other: &Self) -> bool {
        self.request_progress() > other.request_progress()
    }

    fn request_progress(&self) -> RequestProgress {
        match self.failure_class() {
            FailureClass::NotARegistry => RequestProgress::OtherServer,
            FailureClass::NoResponse => match self {
                Self::Connect { .. }
                | Self::Proxy { .. }
                | Self::Timeout {
                    waiting_for: WaitPhase::Connection,
                    ..
                } => RequestProgress::NotConnected,
                Self::Tls { source, .. } if source.tls_problem() == Some(TlsProblem::NotTls) => {
                    RequestProgress::Connected
                }
                Self::Tls { .. } => RequestProgress::Tls,
                _ => RequestProgress::Connected,
            },
            FailureClass::LocalProblem
            | FailureClass::Interrupted
            | FailureClass::WrongContent
            | FailureClass::Unavailable
            | FailureClass::ValidResponse => RequestProgress::Response,
        }
    }

    /// Returns the fault of the endpoint, if the error is one.
    pub(crate) fn fault(&self) -> Option<EndpointFault> {
        match self.failure_class() {
            FailureClass::NoResponse | FailureClass::Unavailable => {
                Some(EndpointFault::Unreachable)
            }
            FailureClass::Interrupted => Some(EndpointFault::Slow),
            FailureClass::NotARegistry | FailureClass::WrongContent => {
                Some(EndpointFault::WrongDigest)
            }
            FailureClass::LocalProblem | FailureClass::ValidResponse => None,
        }
    }

    /// Returns whether the error shows that the endpoint is healthy.
    pub(crate) fn is_healthy(&self) -> bool {
        self.failure_class() == FailureClass::ValidResponse
    }

    /// Returns the delay that the host requested before the next request.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    /// Classifies the error. The match has no default arm, so that each new variant is classified.
    fn failure_class(&self) -> FailureClass {
        match self {
            Self::Setup { .. } => FailureClass::LocalProblem,
            Self::Auth { source, .. } => match source {
                AuthError::Credentials(_) | AuthError::RegistryToken | AuthError::Username => {
                    FailureClass::LocalProblem
                }
                AuthError::Realm { .. } | AuthError::Token(_) | AuthError::PlainHttp => {
                    FailureClass::ValidResponse
                }
            },
            Self::Manifest { context, .. } => match &context.kind {
                // The digest is verified, so every endpoint has the same bytes.
                RequestKind::Manifest(TagOrDigest::Digest(_)) => FailureClass::LocalProblem,
                _ => FailureClass::ValidResponse,
            },
            Self::Timeout { waiting_for, .. } => match waiting_for {
                WaitPhase::Connection | WaitPhase::Response => FailureClass::NoResponse,
                WaitPhase::Body => FailureClass::Interrupted,
            },
            Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Tls { .. }
            | Self::Transport { .. } => FailureClass::NoResponse,
            Self::NotARegistry { .. } => FailureClass::NotARegistry,
            Self::Interrupted { .. } => FailureClass::Interrupted,
            Self::Size {
                expected, found, ..
            } if found < expected => FailureClass::Interrupted,
            Self::Size { .. }
            | Self::Digest { .. }
            | Self::DigestHeader { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. } => FailureClass::WrongContent,
            Self::Unavailable { .. } => FailureClass::Unavailable,
            Self::Unauthorized { .. }
            | Self::Denied { .. }
            | Self::NameUnknown { .. }
            | Self::ManifestUnknown { .. }
            | Self::BlobUnknown { .. }
            | Self::TooManyRequests { .. }
            | Self::Unexpected { .. }
            | Self::Storage { .. }
            | Self::Redirect { .. } => FailureClass::ValidResponse,
        }
    }
}

/// Returns whether `to` is the host of `from` without TLS, which `from` uses.
fn is_downgrade(from: &Endpoint, to: &Endpoint) -> bool {
    let (from, to) = (from.origin(), to.origin());
    from.is_https() && !to.is_https() && from.parsed_host() == to.parsed_host()
}

#[cfg(test)]
mod tests;
