//! Where errors meet people and programs: sentences, codes, hints and exit codes, all made here.

mod advice;
mod freight;
mod report;

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use windlass::{
    AccessError, BundleImageError, ClientError, FilterError, FindError, HoldingsError, LayerError,
    MountError, OpenError, PlatformError, PruneError, PullError, Reference, ReferenceError,
    RemoveError, StoreError, StoreRemoveError, TagImageError, UnpackImageError, text,
};
use windlass_config::ConfigError;
use windlass_credentials::{CredentialSource, LookupError};
use windlass_listen::{BindError, ServerTlsError};

use crate::commands::daemon::DaemonError;
use windlass::text::escape;
use windlass_go_template::EvalError;
use windlass_timings::DestinationError;

pub(crate) use freight::FreightError;
pub(crate) use report::Report;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// What should be a reference is none.
    #[error(transparent)]
    Reference(ReferenceError),
    /// What should be a platform is none.
    #[error(transparent)]
    Platform(PlatformError),
    /// `--all-tags` with a tag or digest (REF-7).
    #[error("--all-tags takes names without tag and digest, not {text:?}")]
    TagWithAllTags { text: String },
    /// A repository was wanted, and something in it was named.
    #[error("expected the name of a repository, without tag and digest, not {text:?}")]
    NotARepository { text: String },
    /// A registry was wanted, and something else was named.
    #[error("expected a registry, HOST or HOST:PORT, not {text:?}")]
    NotARegistry { text: String },
    /// There is no place to keep images.
    #[error("no place to keep images: neither HOME nor XDG_DATA_HOME is set")]
    NoRoot,
    /// `SSL_CERT_FILE` or `SSL_CERT_DIR` names something that cannot be read.
    #[error("reading the certificates in {}", .path.display())]
    Certificates { path: PathBuf, source: io::Error },
    /// A configuration file cannot be used.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// The store could not be opened, or the engine not be started.
    #[error(transparent)]
    Open(OpenError),
    /// Registries could not be spoken to as the configuration wants it.
    #[error(transparent)]
    Client(ClientError),
    /// A registry did not give what it was asked for, or what it gave could not be used.
    #[error("{doing} {}", .reference.familiar())]
    Remote {
        doing: Doing,
        reference: Reference,
        login: Login,
        source: Box<PullError>,
    },
    /// Somebody is to be asked for a name or password, and nobody can be.
    #[error("no {what} was given, and there is no terminal to ask for it")]
    NoTerminal { what: &'static str },
    /// The answer was nothing.
    #[error("no {what} was given")]
    NothingGiven { what: &'static str },
    /// Standard input or the terminal did not give what it was asked for.
    #[error("reading the {what}")]
    Answer {
        what: &'static str,
        source: io::Error,
    },
    /// The registry does not take the credentials, or could not be asked.
    #[error("logging in to {registry}")]
    LogIn {
        registry: String,
        source: Box<AccessError>,
    },
    /// A login could not be kept.
    #[error("keeping the login to {registry}")]
    Keep {
        registry: String,
        source: Box<windlass_credentials::CredentialStoreError>,
    },
    /// A login could not be removed.
    #[error("logging out of {registry}")]
    LogOut {
        registry: String,
        source: Box<windlass_credentials::CredentialStoreError>,
    },
    /// The store could not be read.
    #[error("listing")]
    List(#[source] StoreError),
    /// An image could not be looked at.
    #[error("looking at {name}")]
    Image { name: String, source: StoreError },
    /// An image could not be named.
    #[error("tagging {name}")]
    Tag { name: String, source: TagImageError },
    /// A name or image could not be removed.
    #[error("removing {name}")]
    Remove { name: String, source: RemoveError },
    /// Images could not be pruned.
    #[error("pruning")]
    Prune(#[source] PruneError),
    /// An image could not be unpacked.
    #[error("unpacking {name}")]
    Unpack {
        name: String,
        directory: PathBuf,
        source: UnpackImageError,
    },
    /// An image could not be made a bundle.
    #[error("bundling {name}")]
    Bundle {
        name: String,
        directory: PathBuf,
        source: BundleImageError,
    },
    /// An image could not be mounted.
    #[error("mounting {name} on {}", .directory.display())]
    Mount {
        name: String,
        directory: PathBuf,
        source: MountError,
    },
    /// A mount could not be undone.
    #[error("unmounting {}", .directory.display())]
    Umount {
        directory: PathBuf,
        source: MountError,
    },
    /// Images could not be carried from one place to another.
    #[error("{doing}")]
    Freight {
        /// What was being done, such as `saving alpine to alpine.tar`.
        doing: String,
        /// The registry that has a part in it, and what was at hand to prove there who asks.
        asked: Option<(String, Login)>,
        source: Box<FreightError>,
    },
    /// There can be no listening where it was asked for.
    #[error(transparent)]
    Listen(BindError),
    /// It could not be found out what is here to be served.
    #[error("reading what is here")]
    Holdings(#[source] HoldingsError),
    /// A file that an option names cannot be read.
    #[error("reading {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    /// A server cannot speak TLS with what it was given.
    #[error("speaking TLS with {} and {}", .certificate.display(), .key.display())]
    Identity {
        certificate: PathBuf,
        key: PathBuf,
        source: ServerTlsError,
    },
    /// The daemon that owns the store said so.
    #[error("{}", .0.message)]
    Told(Box<Report>),
    /// The daemon that owns the store did not answer as it should.
    #[error("the daemon that owns the store: {why}")]
    Hatch { why: String },
    /// The daemon that owns the store is another windlass.
    #[error(
        "the daemon that owns the store is windlass {theirs}, and this is windlass {}",
        env!("CARGO_PKG_VERSION")
    )]
    OtherDaemon { theirs: String },
    /// Two things were asked for that do not go together.
    #[error("{text}")]
    Usage { text: String },
    /// A filter is none.
    #[error(transparent)]
    Filter(FilterError),
    /// A template cannot be rendered.
    #[error("--format")]
    Format(#[source] EvalError),
    /// The picture of the pulls cannot be written.
    #[error(transparent)]
    Timings(DestinationError),
    /// The daemon cannot be as it is wanted.
    #[error(transparent)]
    Daemon(Box<DaemonError>),
    /// The system did not give what every program needs.
    #[error("starting")]
    Runtime(#[source] io::Error),
    /// The result could not be written.
    #[error("writing to standard output")]
    Output(#[from] io::Error),
}

/// What is wanted of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// An image.
    Pull,
    /// What a pull would do.
    Preview,
    /// The tags of a repository.
    Tags,
    /// A manifest.
    Manifest,
    /// A digest.
    Digest,
}

/// What was at hand to prove to a registry who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Login {
    /// Credentials, or a helper that may have some.
    Known(CredentialSource),
    /// Nothing.
    Nobody,
    /// A file with credentials that cannot be used.
    Unusable,
}

impl Error {
    /// Returns what people and programs are told.
    pub(crate) fn report(&self) -> Report {
        if let Self::Told(report) = self {
            return (**report).clone();
        }
        let advice = self.advice();
        let line = |text: &str| escape(text).into_owned();
        Report {
            code: advice.code.into(),
            message: line(&self.message()),
            tried: self.tried().iter().map(|text| line(text)).collect(),
            hint: advice.hint.as_deref().map(line),
        }
    }

    /// Returns the exit code: 2 for a command line that makes no sense, as clap has it, 1 for what went
    /// wrong, and what shells make of SIGPIPE where nobody reads the result any more.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::TagWithAllTags { .. }
            | Self::NotARepository { .. }
            | Self::NotARegistry { .. }
            | Self::Filter(_)
            | Self::Format(EvalError::UnknownField { .. })
            | Self::Usage { .. } => 2,
            Self::Output(_) | Self::Freight { .. } if self.is_broken_pipe() => 141,
            Self::Reference(_)
            | Self::Platform(_)
            | Self::NoRoot
            | Self::Certificates { .. }
            | Self::Config(_)
            | Self::Open(_)
            | Self::Client(_)
            | Self::Remote { .. }
            | Self::NoTerminal { .. }
            | Self::NothingGiven { .. }
            | Self::Answer { .. }
            | Self::LogIn { .. }
            | Self::Keep { .. }
            | Self::LogOut { .. }
            | Self::List(_)
            | Self::Image { .. }
            | Self::Tag { .. }
            | Self::Remove { .. }
            | Self::Prune(_)
            | Self::Unpack { .. }
            | Self::Bundle { .. }
            | Self::Mount { .. }
            | Self::Umount { .. }
            | Self::Freight { .. }
            | Self::Listen(_)
            | Self::Holdings(_)
            | Self::File { .. }
            | Self::Identity { .. }
            | Self::Format(_)
            | Self::Told(_)
            | Self::Hatch { .. }
            | Self::OtherDaemon { .. }
            | Self::Timings(_)
            | Self::Daemon(_)
            | Self::Runtime(_)
            | Self::Output(_) => 1,
        }
    }

    /// Tells whether what should be removed is not there.
    pub(crate) fn is_unknown_image(&self) -> bool {
        if let Self::Told(report) = self {
            return report.code == advice::UNKNOWN_IMAGE;
        }
        let is_removal = matches!(self, Self::Remove { .. });
        is_removal && matches!(self.find_error(), Some(FindError::Unknown { .. }))
    }

    /// Returns what is told of a daemon that does not answer as it should.
    pub(crate) fn hatch(why: impl Into<String>) -> Self {
        Self::Hatch { why: why.into() }
    }

    /// Tells whether nobody reads the result any more.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::Freight { source, .. } => source.is_broken_pipe(),
            _ => false,
        }
    }

    /// What went wrong, where and why. What was wanted is left out where the cause names the same things.
    fn message(&self) -> String {
        match (self.find_error(), self) {
            (Some(error @ (FindError::Unknown { .. } | FindError::Ambiguous { .. })), _) => {
                text::error_chain(error)
            }
            (
                _,
                Self::Umount {
                    source: source @ MountError::NotMounted { .. },
                    ..
                },
            ) => text::error_chain(source),
            _ => text::error_chain(self),
        }
    }

    /// What the other endpoints said that were asked before it came to this.
    fn tried(&self) -> Vec<String> {
        let Self::Remote { source, .. } = self else {
            return Vec::new();
        };
        let endpoints = match &**source {
            PullError::Registry(error) => Some(error),
            PullError::Layer { source, .. } => match &**source {
                LayerError::Download(error) => Some(error),
                _ => None,
            },
            _ => None,
        };
        let others = endpoints.iter().flat_map(|error| &error.others);
        others.map(|error| text::error_chain(&**error)).collect()
    }

    /// The name that leads to no image, if that is what went wrong.
    fn find_error(&self) -> Option<&FindError> {
        match self {
            Self::List(StoreError::Find(error))
            | Self::Image {
                source: StoreError::Find(error),
                ..
            }
            | Self::Tag {
                source: TagImageError::Find(error),
                ..
            }
            | Self::Remove {
                source: RemoveError::Store(StoreRemoveError::Find(error)),
                ..
            }
            | Self::Unpack {
                source: UnpackImageError::Find(error),
                ..
            }
            | Self::Bundle {
                source: BundleImageError::Find(error),
                ..
            }
            | Self::Mount {
                source: MountError::Find(error),
                ..
            } => Some(error),
            Self::Freight { source, .. } => source.find_error(),
            _ => None,
        }
    }
}

impl Login {
    /// Returns what there is, as far as that can be told without running a program.
    pub(crate) fn of(source: Result<Option<CredentialSource>, LookupError>) -> Self {
        match source {
            Ok(Some(source)) => Self::Known(source),
            Ok(None) => Self::Nobody,
            Err(_) => Self::Unusable,
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pull => "pulling",
            Self::Preview => "looking up",
            Self::Tags => "listing the tags of",
            Self::Manifest => "reading the manifest of",
            Self::Digest => "asking for the digest of",
        })
    }
}

#[cfg(test)]
mod tests;
