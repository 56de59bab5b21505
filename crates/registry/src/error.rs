//! Errors of requests to registries.

use std::fmt;
use std::time::Duration;

use windlass_http::{BodyError, Cause, ConnectFailure, ProxyFailure, SetupError};
use windlass_oci::{Digest, ManifestError};

use crate::auth_error::AuthError;
use crate::origin::Origin;
use crate::redirect::RedirectError;
use crate::request_context::RequestContext;

/// Why a request to a registry failed.
///
/// Each variant contains the request as [`RequestContext`]. Messages of the registry (`reason`) are shortened
/// and contain no control characters; no field contains a secret.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Authentication is required, or the credentials were rejected.
    #[error("{context}: {reason}")]
    Unauthorized {
        /// The request.
        context: Box<RequestContext>,
        /// The registry's message, or a default.
        reason: String,
    },
    /// The credentials are valid, but do not permit the request.
    #[error("{context}: {reason}")]
    Denied {
        /// The request.
        context: Box<RequestContext>,
        /// The registry's message, or a default.
        reason: String,
    },
    /// The repository does not exist.
    #[error("{context}: no such repository{}", after_colon(.reason))]
    NameUnknown {
        /// The request.
        context: Box<RequestContext>,
        /// The registry's message; may be empty.
        reason: String,
    },
    /// The manifest does not exist, or the repository does not: registries need not distinguish the two.
    #[error("{context}: no such manifest{}", after_colon(.reason))]
    ManifestUnknown {
        /// The request.
        context: Box<RequestContext>,
        /// The registry's message; may be empty.
        reason: String,
    },
    /// The blob does not exist in the repository.
    #[error("{context}: no such blob{}", after_colon(.reason))]
    BlobUnknown {
        /// The request.
        context: Box<RequestContext>,
        /// The registry's message; may be empty.
        reason: String,
    },
    /// The registry limits the rate of requests (429).
    #[error("{context}: too many requests{}{}", after_colon(.reason), retry_suffix(.retry_after.as_ref()))]
    TooManyRequests {
        /// The request.
        context: Box<RequestContext>,
        /// The registry's message; may be empty.
        reason: String,
        /// The delay that the registry requests before a retry, of any length.
        retry_after: Option<Duration>,
    },
    /// The registry, or a proxy in front of it, is temporarily unavailable (5xx, 408).
    #[error("{context}: unavailable: status {status}{}{}", after_colon(.reason), retry_suffix(.retry_after.as_ref()))]
    Unavailable {
        /// The request.
        context: Box<RequestContext>,
        /// The HTTP status.
        status: u16,
        /// The registry's message; may be empty.
        reason: String,
        /// The delay that the registry requests before a retry, of any length.
        retry_after: Option<Duration>,
    },
    /// The status is not expected for this request.
    #[error("{context}: unexpected status {status}{}", after_colon(.reason))]
    Unexpected {
        /// The request.
        context: Box<RequestContext>,
        /// The HTTP status.
        status: u16,
        /// The registry's message; may be empty.
        reason: String,
    },
    /// The storage that the registry redirects to rejected the request. Its URLs expire soon: a new request
    /// to the registry may help.
    #[error("{context}: the storage at {target} responded with status {status}")]
    Storage {
        /// The request.
        context: Box<RequestContext>,
        /// The target of the redirect.
        target: Origin,
        /// The HTTP status.
        status: u16,
    },
    /// The host is not a registry of the v2 protocol.
    #[error("{context}: this is not an OCI registry: {reason}")]
    NotARegistry {
        /// The request.
        context: Box<RequestContext>,
        /// The evidence for it.
        reason: String,
    },
    /// Authentication failed before the credentials were checked.
    #[error("{context}: cannot authenticate")]
    Auth {
        /// The request.
        context: Box<RequestContext>,
        /// The reason.
        source: AuthError,
    },
    /// The redirect is not followed.
    #[error("{context}: redirect refused")]
    Redirect {
        /// The request.
        context: Box<RequestContext>,
        /// The reason.
        source: RedirectError,
    },
    /// The digest of the received bytes is not the requested or the announced one.
    #[error("{context}: {mismatch}")]
    Digest {
        /// The request.
        context: Box<RequestContext>,
        /// The expected and the actual digest.
        mismatch: Box<DigestMismatch>,
    },
    /// The `Docker-Content-Digest` header is not a digest.
    #[error("{context}: invalid Docker-Content-Digest {header:?}")]
    DigestHeader {
        /// The request.
        context: Box<RequestContext>,
        /// The header, shortened.
        header: String,
    },
    /// The size of the body differs from its descriptor.
    #[error("{context}: {}", size_message(*.expected, *.found))]
    Size {
        /// The request.
        context: Box<RequestContext>,
        /// The size in the descriptor, in bytes.
        expected: u64,
        /// The bytes received or announced; of a longer body no more than these were read.
        found: u64,
    },
    /// The connection failed inside the body.
    #[error("{context}: cut off after {received} of {expected} bytes")]
    Interrupted {
        /// The request.
        context: Box<RequestContext>,
        /// The number of bytes received, counted from the start of the blob.
        received: u64,
        /// The size in the descriptor, in bytes.
        expected: u64,
        /// What happened to the connection.
        source: Cause,
    },
    /// The body exceeds the size limit for its kind.
    #[error("{context}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// The request.
        context: Box<RequestContext>,
        /// The limit in bytes.
        limit: u64,
    },
    /// The request timed out.
    #[error("{context}: timed out waiting for {waiting_for}")]
    Timeout {
        /// The request.
        context: Box<RequestContext>,
        /// What did not arrive in time.
        waiting_for: WaitPhase,
    },
    /// The connection settings for the host are invalid.
    #[error("{context}: the configuration of this host is invalid")]
    Setup {
        /// The request.
        context: Box<RequestContext>,
        /// What is wrong with it.
        source: SetupError,
    },
    /// The connection through the proxy failed.
    #[error("{context}: cannot connect through the proxy")]
    Proxy {
        /// The request.
        context: Box<RequestContext>,
        /// How the proxy failed.
        source: ProxyFailure,
    },
    /// The connection to the endpoint failed.
    #[error("{context}: {failure}")]
    Connect {
        /// The request.
        context: Box<RequestContext>,
        /// The kind of failure.
        failure: ConnectFailure,
        /// The error of the operating system.
        source: Cause,
    },
    /// The certificate of the endpoint is not trusted, or the endpoint does not use TLS.
    #[error("{context}: no secure connection")]
    Tls {
        /// The request.
        context: Box<RequestContext>,
        /// The error of the TLS library.
        source: Cause,
    },
    /// The connection failed before a response arrived.
    #[error("{context}: the connection failed")]
    Transport {
        /// The request.
        context: Box<RequestContext>,
        /// What happened to the connection.
        source: Cause,
    },
    /// The manifest has the requested digest, but is invalid or not supported.
    #[error("{context}: unusable manifest")]
    Manifest {
        /// The request.
        context: Box<RequestContext>,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The response violates the protocol.
    #[error("{context}: malformed response: {reason}")]
    Malformed {
        /// The request.
        context: Box<RequestContext>,
        /// What is wrong with it.
        reason: String,
    },
}

/// Two digests that should be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestMismatch {
    /// The requested or announced digest.
    pub expected: Digest,
    /// The digest of the received bytes.
    pub found: Digest,
}

/// What a request was waiting for when it timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitPhase {
    /// A connection, including its TLS handshake.
    Connection,
    /// The head of the response.
    Response,
    /// More of the body.
    Body,
}

impl RegistryError {
    /// Returns the request.
    pub fn context(&self) -> &RequestContext {
        match self {
            Self::Unauthorized { context, .. }
            | Self::Denied { context, .. }
            | Self::NameUnknown { context, .. }
            | Self::ManifestUnknown { context, .. }
            | Self::BlobUnknown { context, .. }
            | Self::TooManyRequests { context, .. }
            | Self::Unavailable { context, .. }
            | Self::Unexpected { context, .. }
            | Self::Storage { context, .. }
            | Self::NotARegistry { context, .. }
            | Self::Auth { context, .. }
            | Self::Redirect { context, .. }
            | Self::Digest { context, .. }
            | Self::DigestHeader { context, .. }
            | Self::Size { context, .. }
            | Self::Interrupted { context, .. }
            | Self::TooLarge { context, .. }
            | Self::Timeout { context, .. }
            | Self::Setup { context, .. }
            | Self::Proxy { context, .. }
            | Self::Connect { context, .. }
            | Self::Tls { context, .. }
            | Self::Transport { context, .. }
            | Self::Manifest { context, .. }
            | Self::Malformed { context, .. } => context,
        }
    }

    pub(crate) fn malformed(context: &RequestContext, reason: &str) -> Self {
        Self::Malformed {
            context: context.boxed(),
            reason: reason.to_owned(),
        }
    }
}

impl RequestContext {
    /// Converts a failure of a response body.
    pub(crate) fn body_failed(&self, error: BodyError) -> RegistryError {
        let context = self.boxed();
        match error {
            BodyError::Stalled => RegistryError::Timeout {
                context,
                waiting_for: WaitPhase::Body,
            },
            BodyError::TooLarge { limit } => RegistryError::TooLarge { context, limit },
            BodyError::Transport { source } => RegistryError::Transport { context, source },
        }
    }
}

impl fmt::Display for DigestMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, got {}", self.expected, self.found)
    }
}

impl fmt::Display for WaitPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "a connection",
            Self::Response => "a response",
            Self::Body => "more of the response",
        })
    }
}

/// Leaves out times below a second: many registries send `Retry-After: 0`, although a retry at once is rejected too.
fn retry_suffix(after: Option<&Duration>) -> String {
    match after.map_or(0, Duration::as_secs) {
        0 => String::new(),
        seconds => format!(", retry after {seconds} s"),
    }
}

fn after_colon(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

fn size_message(expected: u64, found: u64) -> String {
    if found < expected {
        format!("{found} bytes where {expected} were expected")
    } else {
        format!("more than the expected {expected} bytes: at least {found}")
    }
}
