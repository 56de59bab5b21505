//! What can go wrong between a registry and its client, as data, with a verdict.

use std::fmt;
use std::time::Duration;

use windlass_http::{BodyError, Cause, ConnectFailure, ProxyFailure, SetupError};
use windlass_oci::text::sanitize;
use windlass_oci::{Digest, ManifestError};

use crate::auth::AuthError;
use crate::manifest::TagOrDigest;
use crate::origin::Origin;
use crate::redirect::RedirectError;

/// What was asked of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestContext {
    /// Who was asked.
    pub origin: Origin,
    /// The repository's path, such as `library/alpine`; empty where none in particular is meant.
    pub repository: String,
    /// For what.
    pub kind: RequestKind,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// Whether it is a registry at all.
    Ping,
    /// A token, of the token server that the registry named.
    Token,
    /// A manifest, by tag or digest.
    Manifest(TagOrDigest),
    /// A blob.
    Blob(Digest),
    /// The repository's tags.
    Tags,
    /// Repositories that fit a word.
    Search,
    /// Which artifacts belong to a manifest.
    Referrers(Digest),
    /// To take a blob.
    Upload(Digest),
    /// To take a manifest.
    Put(TagOrDigest),
    /// What is there, and no registry's; the repository is the path.
    Url,
}

/// Why a registry did not give what it was asked for.
///
/// Each variant says in [`RequestContext`] what that was. Texts of the registry (`reason`) are shortened and free of
/// control characters; nothing in here is a secret.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Authentication is required, or what was presented is not accepted.
    #[error("{context}: {reason}")]
    Unauthorized {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// In the registry's words, if it had any.
        reason: String,
    },
    /// The credentials are accepted, but do not allow this.
    #[error("{context}: {reason}")]
    Denied {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// In the registry's words, if it had any.
        reason: String,
    },
    /// There is no such repository.
    #[error("{context}: no such repository")]
    NameUnknown {
        /// What was asked of whom.
        context: Box<RequestContext>,
    },
    /// There is no such manifest, or no such repository: registries may not tell.
    #[error("{context}: no such manifest")]
    ManifestUnknown {
        /// What was asked of whom.
        context: Box<RequestContext>,
    },
    /// There is no such blob in the repository.
    #[error("{context}: no such blob")]
    BlobUnknown {
        /// What was asked of whom.
        context: Box<RequestContext>,
    },
    /// The registry wants to be asked less often (429).
    #[error("{context}: too many requests{}", retry(.retry_after.as_ref()))]
    TooManyRequests {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// When to ask again, by its own word, however long that is.
        retry_after: Option<Duration>,
    },
    /// The registry, or what stands before it, is out of order (5xx, 408).
    #[error("{context}: out of order: status {status}{}", retry(.retry_after.as_ref()))]
    Unavailable {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// The HTTP status.
        status: u16,
        /// When to ask again, by its own word, however long that is.
        retry_after: Option<Duration>,
    },
    /// A status that has no meaning here.
    #[error("{context}: unexpected status {status}{}", behind_colon(.reason))]
    Unexpected {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// The HTTP status.
        status: u16,
        /// In the registry's words; may be empty.
        reason: String,
    },
    /// The storage that the registry redirected to refused. Its URLs are short-lived: asking the registry
    /// again may help.
    #[error("{context}: the storage at {target} answered with status {status}")]
    Storage {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// Where the redirect led.
        target: Origin,
        /// The HTTP status.
        status: u16,
    },
    /// Something answers there, but no registry of the v2 protocol.
    #[error("{context}: this is not an OCI registry: {reason}")]
    NotARegistry {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// How that shows.
        reason: String,
    },
    /// Authentication did not get as far as being refused.
    #[error("{context}: cannot authenticate")]
    Auth {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// Why.
        source: AuthError,
    },
    /// A redirect that is not followed.
    #[error("{context}: redirect refused")]
    Redirect {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// Why.
        source: RedirectError,
    },
    /// The bytes are not the ones that were asked for, or not the ones the registry said they are.
    #[error("{context}: {mismatch}")]
    Digest {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// What was expected and what came.
        mismatch: Box<DigestMismatch>,
    },
    /// The `Docker-Content-Digest` header is not a digest.
    #[error("{context}: invalid Docker-Content-Digest {header:?}")]
    DigestHeader {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// The header, shortened.
        header: String,
    },
    /// The body is shorter or longer than its descriptor says.
    #[error("{context}: {}", size(*.expected, *.found))]
    Size {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// The bytes the descriptor says.
        expected: u64,
        /// The bytes that came or were announced; of a longer body no more than these were looked at.
        found: u64,
    },
    /// The connection broke inside the body.
    #[error("{context}: cut off after {received} of {expected} bytes")]
    Interrupted {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// How far the body came, counted from the start of the blob.
        received: u64,
        /// The bytes the descriptor says.
        expected: u64,
        /// What happened to the connection.
        source: Cause,
    },
    /// The body is larger than anything of its kind may be.
    #[error("{context}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// The limit in bytes.
        limit: u64,
    },
    /// Nothing, or too little, came for too long.
    #[error("{context}: timed out waiting for {waiting_for}")]
    Timeout {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// What did not come.
        waiting_for: WaitPhase,
    },
    /// What is configured for the way there cannot be used.
    #[error("{context}: the configuration for it cannot be used")]
    Setup {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// What is wrong with it.
        source: SetupError,
    },
    /// There is no way through the proxy.
    #[error("{context}: no way through the proxy")]
    Proxy {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// How the proxy failed.
        source: ProxyFailure,
    },
    /// There is no connection to the endpoint.
    #[error("{context}: {failure}")]
    Connect {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// What kind of failure it is.
        failure: ConnectFailure,
        /// What the system said.
        source: Cause,
    },
    /// The endpoint has no certificate that can be trusted, or does not speak TLS at all.
    #[error("{context}: no secure connection")]
    Tls {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// What the TLS library said.
        source: Cause,
    },
    /// The connection failed before there was an answer.
    #[error("{context}: the connection failed")]
    Transport {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// What happened to it.
        source: Cause,
    },
    /// The manifest is the one that was asked for, and it is not usable.
    #[error("{context}: unusable manifest")]
    Manifest {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The answer is not of the form that the protocol gives it.
    #[error("{context}: malformed answer: {reason}")]
    Malformed {
        /// What was asked of whom.
        context: Box<RequestContext>,
        /// What is wrong with it.
        reason: String,
    },
}

/// Two digests that should be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestMismatch {
    /// The digest that was asked for or announced.
    pub expected: Digest,
    /// The digest of what came.
    pub found: Digest,
}

/// What a wait was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitPhase {
    /// A connection, its TLS handshake included.
    Connection,
    /// The head of the response.
    Response,
    /// More of the body.
    Body,
}

impl RegistryError {
    /// Returns what was asked of whom.
    pub fn context(&self) -> &RequestContext {
        match self {
            Self::Unauthorized { context, .. }
            | Self::Denied { context, .. }
            | Self::NameUnknown { context }
            | Self::ManifestUnknown { context }
            | Self::BlobUnknown { context }
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
}

impl RequestContext {
    pub(crate) fn boxed(&self) -> Box<Self> {
        Box::new(self.clone())
    }

    /// Says what a failure of the answer's body means.
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

impl fmt::Display for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            repository,
            kind,
        } = self;
        match kind {
            RequestKind::Ping => write!(f, "{origin}"),
            RequestKind::Token if repository.is_empty() => write!(f, "token from {origin}"),
            RequestKind::Token => write!(f, "token for {repository} from {origin}"),
            RequestKind::Manifest(TagOrDigest::Tag(tag)) => {
                write!(f, "{repository}:{tag} at {origin}")
            }
            RequestKind::Manifest(TagOrDigest::Digest(digest)) => {
                write!(f, "{repository}@{digest} at {origin}")
            }
            RequestKind::Blob(digest) => write!(f, "blob {digest} of {repository} at {origin}"),
            RequestKind::Search => write!(f, "search at {origin}"),
            RequestKind::Tags => write!(f, "tags of {repository} at {origin}"),
            RequestKind::Referrers(digest) => {
                write!(f, "referrers of {repository}@{digest} at {origin}")
            }
            RequestKind::Upload(digest) => {
                write!(f, "upload of {digest} to {repository} at {origin}")
            }
            RequestKind::Url => write!(f, "{origin}{}", sanitize(repository)),
            RequestKind::Put(TagOrDigest::Tag(tag)) => {
                write!(f, "push of {repository}:{tag} to {origin}")
            }
            RequestKind::Put(TagOrDigest::Digest(digest)) => {
                write!(f, "push of {repository}@{digest} to {origin}")
            }
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
            Self::Response => "an answer",
            Self::Body => "more of the answer",
        })
    }
}

fn retry(after: Option<&Duration>) -> String {
    after.map_or_else(String::new, |after| {
        format!(", retry after {} s", after.as_secs())
    })
}

fn behind_colon(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

fn size(expected: u64, found: u64) -> String {
    if found < expected {
        format!("{found} bytes where {expected} were promised")
    } else {
        format!("more than the {expected} bytes that were promised: at least {found}")
    }
}
