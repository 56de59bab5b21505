//! What can go wrong between a registry and its client, as data, with a verdict.

use std::fmt;
use std::time::Duration;

use windlass_http::{BodyError, Cause, ConnectFailure, ProxyFailure, SetupError};
use windlass_oci::text::shown;
use windlass_oci::{Digest, ManifestError};

use crate::auth::AuthError;
use crate::manifest::Target;
use crate::origin::Origin;
use crate::redirect::RedirectError;

/// What was asked of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who was asked.
    pub origin: Origin,
    /// The repository's path, such as `library/alpine`; empty where none in particular is meant.
    pub repository: String,
    /// For what.
    pub what: What,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Whether it is a registry at all.
    Ping,
    /// A token, of the token server that the registry named.
    Token,
    /// A manifest, by tag or digest.
    Manifest(Target),
    /// A blob.
    Blob(Digest),
    /// The repository's tags.
    Tags,
    /// Repositories that fit a word.
    Search,
    /// To take a blob.
    Upload(Digest),
    /// To take a manifest.
    Put(Target),
    /// What is there, and no registry's; the repository is the path.
    Url,
}

/// Why a registry did not give what it was asked for.
///
/// Each variant says in [`Asked`] what that was. Texts of the registry (`reason`) are shortened and free of
/// control characters; nothing in here is a secret.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Authentication is required, or what was presented is not accepted.
    #[error("{asked}: {reason}")]
    Unauthorized {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// In the registry's words, if it had any.
        reason: String,
    },
    /// The credentials are accepted, but do not allow this.
    #[error("{asked}: {reason}")]
    Denied {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// In the registry's words, if it had any.
        reason: String,
    },
    /// There is no such repository.
    #[error("{asked}: no such repository")]
    NameUnknown {
        /// What was asked of whom.
        asked: Box<Asked>,
    },
    /// There is no such manifest, or no such repository: registries may not tell.
    #[error("{asked}: no such manifest")]
    ManifestUnknown {
        /// What was asked of whom.
        asked: Box<Asked>,
    },
    /// There is no such blob in the repository.
    #[error("{asked}: no such blob")]
    BlobUnknown {
        /// What was asked of whom.
        asked: Box<Asked>,
    },
    /// The registry wants to be asked less often (429).
    #[error("{asked}: too many requests{}", retry(.retry_after.as_ref()))]
    TooManyRequests {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// When to ask again, by its own word, however long that is.
        retry_after: Option<Duration>,
    },
    /// The registry, or what stands before it, is out of order (5xx, 408).
    #[error("{asked}: out of order: status {status}{}", retry(.retry_after.as_ref()))]
    Unavailable {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// The HTTP status.
        status: u16,
        /// When to ask again, by its own word, however long that is.
        retry_after: Option<Duration>,
    },
    /// A status that has no meaning here.
    #[error("{asked}: unexpected status {status}{}", behind_colon(.reason))]
    Unexpected {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// The HTTP status.
        status: u16,
        /// In the registry's words; may be empty.
        reason: String,
    },
    /// The storage that the registry redirected to refused. Its URLs are short-lived: asking the registry
    /// again may help.
    #[error("{asked}: the storage at {target} answered with status {status}")]
    Storage {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// Where the redirect led.
        target: Origin,
        /// The HTTP status.
        status: u16,
    },
    /// Something answers there, but no registry of the v2 protocol.
    #[error("{asked}: this is not an OCI registry: {reason}")]
    NotARegistry {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// How that shows.
        reason: String,
    },
    /// Authentication did not get as far as being refused.
    #[error("{asked}: cannot authenticate")]
    Auth {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// Why.
        source: AuthError,
    },
    /// A redirect that is not followed.
    #[error("{asked}: redirect refused")]
    Redirect {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// Why.
        source: RedirectError,
    },
    /// The bytes are not the ones that were asked for, or not the ones the registry said they are.
    #[error("{asked}: {mismatch}")]
    Digest {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// What was expected and what came.
        mismatch: Box<Mismatch>,
    },
    /// The `Docker-Content-Digest` header is not a digest.
    #[error("{asked}: invalid Docker-Content-Digest {header:?}")]
    DigestHeader {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// The header, shortened.
        header: String,
    },
    /// The body is shorter or longer than its descriptor says.
    #[error("{asked}: {}", size(*.expected, *.found))]
    Size {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// The bytes the descriptor says.
        expected: u64,
        /// The bytes that came or were announced; of a longer body no more than these were looked at.
        found: u64,
    },
    /// The connection broke inside the body.
    #[error("{asked}: cut off after {received} of {expected} bytes")]
    Interrupted {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// How far the body came, counted from the start of the blob.
        received: u64,
        /// The bytes the descriptor says.
        expected: u64,
        /// What happened to the connection.
        source: Cause,
    },
    /// The body is larger than anything of its kind may be.
    #[error("{asked}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// The limit in bytes.
        limit: u64,
    },
    /// Nothing, or too little, came for too long.
    #[error("{asked}: timed out waiting for {waiting_for}")]
    Timeout {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// What did not come.
        waiting_for: Phase,
    },
    /// What is configured for the way there cannot be used.
    #[error("{asked}: the configuration for it cannot be used")]
    Setup {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// What is wrong with it.
        source: SetupError,
    },
    /// There is no way through the proxy.
    #[error("{asked}: no way through the proxy")]
    Proxy {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// How the proxy failed.
        source: ProxyFailure,
    },
    /// There is no connection to the endpoint.
    #[error("{asked}: {failure}")]
    Connect {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// What kind of failure it is.
        failure: ConnectFailure,
        /// What the system said.
        source: Cause,
    },
    /// The endpoint has no certificate that can be trusted, or does not speak TLS at all.
    #[error("{asked}: no secure connection")]
    Tls {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// What the TLS library said.
        source: Cause,
    },
    /// The connection failed before there was an answer.
    #[error("{asked}: the connection failed")]
    Transport {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// What happened to it.
        source: Cause,
    },
    /// The manifest is the one that was asked for, and it is not usable.
    #[error("{asked}: unusable manifest")]
    Manifest {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The answer is not of the form that the protocol gives it.
    #[error("{asked}: malformed answer: {reason}")]
    Malformed {
        /// What was asked of whom.
        asked: Box<Asked>,
        /// What is wrong with it.
        reason: String,
    },
}

/// Two digests that should be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The digest that was asked for or announced.
    pub expected: Digest,
    /// The digest of what came.
    pub found: Digest,
}

/// What a wait was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A connection, its TLS handshake included.
    Connection,
    /// The head of the response.
    Answer,
    /// More of the body.
    Body,
}

impl RegistryError {
    /// Returns what was asked of whom.
    pub fn asked(&self) -> &Asked {
        match self {
            Self::Unauthorized { asked, .. }
            | Self::Denied { asked, .. }
            | Self::NameUnknown { asked }
            | Self::ManifestUnknown { asked }
            | Self::BlobUnknown { asked }
            | Self::TooManyRequests { asked, .. }
            | Self::Unavailable { asked, .. }
            | Self::Unexpected { asked, .. }
            | Self::Storage { asked, .. }
            | Self::NotARegistry { asked, .. }
            | Self::Auth { asked, .. }
            | Self::Redirect { asked, .. }
            | Self::Digest { asked, .. }
            | Self::DigestHeader { asked, .. }
            | Self::Size { asked, .. }
            | Self::Interrupted { asked, .. }
            | Self::TooLarge { asked, .. }
            | Self::Timeout { asked, .. }
            | Self::Setup { asked, .. }
            | Self::Proxy { asked, .. }
            | Self::Connect { asked, .. }
            | Self::Tls { asked, .. }
            | Self::Transport { asked, .. }
            | Self::Manifest { asked, .. }
            | Self::Malformed { asked, .. } => asked,
        }
    }
}

impl Asked {
    pub(crate) fn boxed(&self) -> Box<Self> {
        Box::new(self.clone())
    }

    /// Says what a failure of the answer's body means.
    pub(crate) fn body_failed(&self, error: BodyError) -> RegistryError {
        let asked = self.boxed();
        match error {
            BodyError::Stalled => RegistryError::Timeout {
                asked,
                waiting_for: Phase::Body,
            },
            BodyError::TooLarge { limit } => RegistryError::TooLarge { asked, limit },
            BodyError::Transport { source } => RegistryError::Transport { asked, source },
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            repository,
            what,
        } = self;
        match what {
            What::Ping => write!(f, "{origin}"),
            What::Token if repository.is_empty() => write!(f, "token from {origin}"),
            What::Token => write!(f, "token for {repository} from {origin}"),
            What::Manifest(Target::Tag(tag)) => write!(f, "{repository}:{tag} at {origin}"),
            What::Manifest(Target::Digest(digest)) => {
                write!(f, "{repository}@{digest} at {origin}")
            }
            What::Blob(digest) => write!(f, "blob {digest} of {repository} at {origin}"),
            What::Search => write!(f, "search at {origin}"),
            What::Tags => write!(f, "tags of {repository} at {origin}"),
            What::Upload(digest) => write!(f, "upload of {digest} to {repository} at {origin}"),
            What::Url => write!(f, "{origin}{}", shown(repository)),
            What::Put(Target::Tag(tag)) => write!(f, "push of {repository}:{tag} to {origin}"),
            What::Put(Target::Digest(digest)) => {
                write!(f, "push of {repository}@{digest} to {origin}")
            }
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, got {}", self.expected, self.found)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "a connection",
            Self::Answer => "an answer",
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
