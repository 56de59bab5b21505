//! The messages between a command and a daemon.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use windlass::image::{Descriptor, Digest, ImageChoice, Platform, Reference};
use windlass::registry::{Credentials, Secret};
use windlass::{CopyEvent, LoadOptions, Loaded, Pruned, PullEvent, Pulled, Removal};
use windlass_error_report::{ErrorReport, LoginState, RegistryLogin};

use crate::error::ControlError;

/// The first message of either end.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Handshake {
    /// The version of windlass.
    pub(crate) windlass: String,
}

/// What a command requests.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Keep all images until the connection is closed.
    Hold,
    /// Pull an image.
    Pull(PullParams),
    /// Give an image another name.
    Tag {
        /// The image, as the user wrote it.
        source: String,
        /// The new name.
        target: Reference,
    },
    /// Remove a name, and the image if that is its last one.
    Remove {
        /// The name or ID, as the user wrote it.
        name: String,
        /// Whether to remove an image with several names.
        force: bool,
    },
    /// Remove unused images.
    Prune(PruneParams),
    /// Bring images into the store.
    Transfer(TransferRequest),
}

/// A request that brings images into the store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "transfer", rename_all = "snake_case")]
pub(crate) enum TransferRequest {
    /// Load images from the archive or directory whose descriptor comes with the message.
    Load(LoadParams),
    /// Make an image of the tar whose descriptor comes with the message, or of the one at a URL.
    Import(ImportParams),
    /// Copy an image into the store.
    Copy(CopyParams),
}

/// An image to pull.
#[derive(Debug, Serialize, Deserialize)]
pub struct PullParams {
    /// The image.
    pub reference: Reference,
    /// The platform; the daemon's own if there is none.
    pub platform: Option<Platform>,
    /// Artifacts of the same index that are stored with the image.
    pub artifacts: Vec<Descriptor>,
    /// The limit of the throughput, in bytes per second.
    pub limit_rate: Option<NonZeroU64>,
    /// The credentials that the user has configured, for the hints of errors.
    pub login: LoginState,
}

/// Images to remove.
#[derive(Debug, Serialize, Deserialize)]
pub struct PruneParams {
    /// Whether to remove all images, not only those without a tag.
    pub all: bool,
    /// Whether to remove partial downloads.
    pub partials: bool,
    /// The filters, as the user wrote them.
    pub filters: Vec<String>,
}

/// Images to load.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoadParams {
    /// Which images, and their name.
    pub options: LoadOptions,
    /// What the command does, for error messages: `loading app.tar`.
    pub action: String,
}

/// An image to copy into the store.
#[derive(Debug, Serialize, Deserialize)]
pub struct CopyParams {
    /// Where the image is.
    pub source: ImageSource,
    /// Its name in the store.
    pub name: Reference,
    /// Which platforms.
    pub choice: ImageChoice,
    /// What the command does, for error messages.
    pub action: String,
    /// The registry that the image comes from, for the hints of errors.
    pub registry: Option<RegistryLogin>,
}

/// Where an image to copy is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum ImageSource {
    /// In a registry.
    Registry {
        /// The image.
        reference: Reference,
    },
    /// In the store, under another name.
    Store {
        /// The name or ID, as the user wrote it.
        name: String,
    },
    /// In the archive or directory whose descriptor comes with the message.
    Files {
        /// The tag or name within it.
        name: Option<String>,
    },
}

/// A tar to make an image of.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportParams {
    /// The URL of the tar, if no descriptor comes with the message.
    pub url: Option<String>,
    /// The name of the image.
    pub name: Option<Reference>,
    /// The platform of the image.
    pub platform: Platform,
    /// Instructions of a Dockerfile. The command has validated them.
    pub changes: Vec<String>,
    /// The creation time, in the format of RFC 3339.
    pub created: String,
    /// The comment in the image's history.
    pub comment: String,
    /// The largest size of the tar, in bytes.
    pub limit: Option<u64>,
    /// What the command does, for error messages.
    pub action: String,
}

/// What the daemon sends: events and requests for credentials, then one result or report.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
pub(crate) enum Response {
    /// An event of a pull.
    PullEvent {
        /// The event.
        event: PullEvent,
    },
    /// An event of a transfer.
    CopyEvent {
        /// The event.
        event: CopyEvent,
    },
    /// A request for the user's credentials, to which the command sends a [`CredentialReply`].
    CredentialRequest {
        /// The registry's host.
        host: String,
        /// The path of the repository.
        repository: String,
    },
    /// The operation has succeeded.
    Done {
        /// Its result.
        result: Box<OperationResult>,
    },
    /// The operation has failed.
    Failed {
        /// The error.
        report: ErrorReport,
    },
}

/// The result of an operation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub(crate) enum OperationResult {
    /// The operation has no result.
    Completed,
    /// An image was pulled.
    Pulled(Box<Pulled>),
    /// A name or image was removed.
    Removed {
        /// What was removed.
        removal: Removal,
    },
    /// Images were pruned.
    Pruned {
        /// What was removed.
        pruned: Pruned,
    },
    /// An image was copied.
    Copied {
        /// The digest of its manifest or index.
        digest: Digest,
    },
    /// Images were loaded or imported.
    Loaded {
        /// The images.
        loaded: Vec<Loaded>,
    },
}

/// The reply to a [`Response::CredentialRequest`]. Only this message contains secrets in plain text.
#[derive(Serialize, Deserialize)]
#[serde(tag = "credentials", rename_all = "snake_case")]
pub(crate) enum CredentialReply {
    /// There are no credentials.
    Anonymous,
    /// A username and a password.
    Basic {
        /// The username.
        username: String,
        /// The password.
        password: String,
    },
    /// A refresh token for the registry's token service.
    IdentityToken {
        /// The token.
        token: String,
    },
    /// A bearer token for the registry.
    RegistryToken {
        /// The token.
        token: String,
    },
    /// The lookup failed.
    Failed {
        /// The error.
        error: String,
    },
}

impl Handshake {
    /// Returns the handshake of this version.
    pub(crate) fn current() -> Self {
        Self {
            windlass: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Returns an error if the other end is another version.
    pub(crate) fn check(self) -> Result<(), ControlError> {
        match self == Self::current() {
            true => Ok(()),
            false => Err(ControlError::Version {
                daemon: self.windlass,
            }),
        }
    }
}

impl CredentialReply {
    /// Returns the credentials, or the error of the lookup.
    pub(crate) fn into_credentials(self) -> Result<Credentials, String> {
        Ok(match self {
            Self::Anonymous => Credentials::Anonymous,
            Self::Basic { username, password } => Credentials::Basic {
                username,
                password: Secret::new(password),
            },
            Self::IdentityToken { token } => Credentials::IdentityToken(Secret::new(token)),
            Self::RegistryToken { token } => Credentials::RegistryToken(Secret::new(token)),
            Self::Failed { error } => return Err(error),
        })
    }
}

impl From<Credentials> for CredentialReply {
    fn from(credentials: Credentials) -> Self {
        let text = |secret: Secret| secret.expose().to_owned();
        match credentials {
            Credentials::Anonymous => Self::Anonymous,
            Credentials::Basic { username, password } => Self::Basic {
                username,
                password: text(password),
            },
            Credentials::IdentityToken(token) => Self::IdentityToken { token: text(token) },
            Credentials::RegistryToken(token) => Self::RegistryToken { token: text(token) },
        }
    }
}

impl std::fmt::Debug for CredentialReply {
    /// Omits the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialReply").finish_non_exhaustive()
    }
}
