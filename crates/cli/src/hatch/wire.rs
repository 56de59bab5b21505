//! What is said between a command and a daemon. It has no versions: both ends are the same windlass.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use windlass::{
    CopyEvent, Credentials, Digest, Endpoint, ImageId, ImageName, Loaded, Outcome, Platform,
    PullEvent, Pulled, Reference, Secret,
};

use crate::error::{Error, Login, Report};

/// The first line of either end: which windlass it is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) windlass: String,
}

/// What a command wants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// That nothing that is there goes, until the connection is closed.
    Hold,
    /// A pull.
    Pull {
        reference: Reference,
        #[serde(with = "as_text")]
        platform: Optional<Platform>,
        /// Bytes a second.
        limit_rate: Option<std::num::NonZeroU64>,
        login: Login,
    },
    /// One more name for an image.
    Tag {
        /// As the user wrote it.
        source: String,
        target: Reference,
    },
    /// No more of a name, or an image.
    Remove { name: String, force: bool },
}

/// A text form, or nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Optional<T>(pub(crate) Option<T>);

/// What the daemon says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub(super) enum Word {
    /// What happens in a pull.
    Pull { event: PullEvent },
    /// What happens where something is carried.
    Copy { event: CopyEvent },
    /// Who the user is to this host, for this repository.
    Who { host: String, repository: String },
    /// It is done.
    Done { done: Box<Done> },
    /// It is not.
    Failed { report: Report },
}

/// What a command answers when it is asked who the user is.
#[derive(Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(super) enum Reply {
    Nobody,
    Basic {
        username: String,
        password: String,
    },
    IdentityToken {
        token: String,
    },
    RegistryToken {
        token: String,
    },
    /// It could not be looked up.
    Unknown {
        error: String,
    },
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "done", rename_all = "snake_case")]
pub(crate) enum Done {
    /// Nothing that needs telling.
    Well,
    /// An image was pulled.
    Pulled(PulledWire),
    /// These are gone.
    Removed { removal: windlass::Removal },
    /// These were loaded.
    Loaded { loaded: Vec<Loaded> },
}

/// [`Pulled`], as it is sent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PulledWire {
    reference: Reference,
    digest: Digest,
    image_id: ImageId,
    #[serde(with = "as_text")]
    platform: Platform,
    is_newer: bool,
    endpoint: String,
    downloaded_bytes: u64,
    reused_bytes: u64,
    unpacked_bytes: u64,
    duration: Duration,
}

impl From<Pulled> for PulledWire {
    fn from(pulled: Pulled) -> Self {
        Self {
            endpoint: pulled.endpoint.origin().to_string(),
            reference: pulled.reference,
            digest: pulled.digest,
            image_id: pulled.image_id,
            platform: pulled.platform,
            is_newer: pulled.outcome == Outcome::Downloaded,
            downloaded_bytes: pulled.downloaded_bytes,
            reused_bytes: pulled.reused_bytes,
            unpacked_bytes: pulled.unpacked_bytes,
            duration: pulled.duration,
        }
    }
}

impl PulledWire {
    /// Returns what was sent.
    pub(super) fn pulled(self) -> Result<Pulled, Error> {
        let endpoint = Endpoint::parse(&self.endpoint);
        Ok(Pulled {
            endpoint: endpoint.map_err(|_| Error::hatch("it named an endpoint that is none"))?,
            reference: self.reference,
            digest: self.digest,
            image_id: self.image_id,
            platform: self.platform,
            outcome: match self.is_newer {
                true => Outcome::Downloaded,
                false => Outcome::UpToDate,
            },
            downloaded_bytes: self.downloaded_bytes,
            reused_bytes: self.reused_bytes,
            unpacked_bytes: self.unpacked_bytes,
            duration: self.duration,
        })
    }
}

impl Reply {
    pub(super) fn of(credentials: Credentials) -> Self {
        let text = |secret: Secret| secret.expose().to_owned();
        match credentials {
            Credentials::Anonymous => Self::Nobody,
            Credentials::Basic { username, password } => Self::Basic {
                username,
                password: text(password),
            },
            Credentials::IdentityToken(token) => Self::IdentityToken { token: text(token) },
            Credentials::RegistryToken(token) => Self::RegistryToken { token: text(token) },
        }
    }

    /// Returns the credentials, or why they could not be looked up.
    pub(super) fn credentials(self) -> Result<Credentials, String> {
        Ok(match self {
            Self::Nobody => Credentials::Anonymous,
            Self::Basic { username, password } => Credentials::Basic {
                username,
                password: Secret::new(password),
            },
            Self::IdentityToken { token } => Credentials::IdentityToken(Secret::new(token)),
            Self::RegistryToken { token } => Credentials::RegistryToken(Secret::new(token)),
            Self::Unknown { error } => return Err(error),
        })
    }
}

/// Values that are sent in the form in which people write them.
pub(super) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl<T: std::fmt::Display> std::fmt::Display for Optional<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|value| value.fmt(f))
    }
}

impl<T: std::str::FromStr> std::str::FromStr for Optional<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        match text {
            "" => Ok(Self(None)),
            text => text.parse().map(|value| Self(Some(value))),
        }
    }
}

/// Parses what a user calls an image; the daemon says what is wrong with it as the command would.
pub(super) fn image_name(text: &str) -> Result<ImageName, Error> {
    text.parse().map_err(Error::Reference)
}
