//! Where errors meet people and programs: sentences, codes, hints and exit codes, all made here.

mod advice;

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Style};
use windlass::{
    DockerConfigError, FindError, MountError, OpenError, PlatformError, PullError, Reference,
    ReferenceError, RemoveError, StoreError, StoreRemoveError, TagImageError, UnpackImageError,
};

use crate::output::text::harmless;

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
    /// There is no place to keep images.
    #[error("no place to keep images: neither HOME nor XDG_DATA_HOME is set")]
    NoRoot,
    /// `SSL_CERT_FILE` names a file that cannot be read.
    #[error("reading the certificates in {}", .path.display())]
    Certificates { path: PathBuf, source: io::Error },
    /// Docker's configuration is there and cannot be read.
    #[error("reading {}", .path.display())]
    DockerConfigUnreadable { path: PathBuf, source: io::Error },
    /// Docker's configuration is there and makes no sense.
    #[error("reading {}", .path.display())]
    DockerConfigBroken {
        path: PathBuf,
        source: DockerConfigError,
    },
    /// The store could not be opened, or the engine not be started.
    #[error(transparent)]
    Open(OpenError),
    /// An image could not be pulled.
    #[error("pulling {}", .reference.familiar())]
    Pull {
        reference: Reference,
        login: Login,
        source: Box<PullError>,
    },
    /// The tags of a repository could not be had.
    #[error("listing the tags of {}", .repository.familiar())]
    Tags {
        repository: Reference,
        login: Login,
        source: Box<PullError>,
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
    /// An image could not be unpacked.
    #[error("unpacking {name} into {}", .directory.display())]
    Unpack {
        name: String,
        directory: PathBuf,
        source: UnpackImageError,
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
    /// The system did not give what every program needs.
    #[error("starting")]
    Runtime(#[source] io::Error),
    /// The result could not be written.
    #[error("writing to standard output")]
    Output(#[from] io::Error),
}

/// What was at hand to prove to a registry who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// Credentials.
    Known,
    /// Nothing.
    Nobody,
    /// Perhaps something, with this credential helper: a program, and windlass runs none.
    WithHelper(String),
}

/// An error as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// For programs; one of a fixed set.
    pub(crate) code: &'static str,
    /// What went wrong, where and why, on one line, harmless to terminals.
    pub(crate) message: String,
    /// What to do about it, if that is known.
    pub(crate) hint: Option<String>,
}

impl Error {
    /// Returns what people and programs are told.
    pub(crate) fn report(&self) -> Report {
        let advice = self.advice();
        Report {
            code: advice.code,
            message: harmless(&chain(self)).into_owned(),
            hint: advice.hint.map(|hint| harmless(&hint).into_owned()),
        }
    }

    /// Returns the exit code: 2 for a command line that makes no sense, as clap has it, 1 for what went
    /// wrong, and what shells make of SIGPIPE where nobody reads the result any more.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::TagWithAllTags { .. } => 2,
            Self::Output(_) if self.is_broken_pipe() => 141,
            Self::Reference(_)
            | Self::Platform(_)
            | Self::NoRoot
            | Self::Certificates { .. }
            | Self::DockerConfigUnreadable { .. }
            | Self::DockerConfigBroken { .. }
            | Self::Open(_)
            | Self::Pull { .. }
            | Self::Tags { .. }
            | Self::List(_)
            | Self::Image { .. }
            | Self::Tag { .. }
            | Self::Remove { .. }
            | Self::Unpack { .. }
            | Self::Mount { .. }
            | Self::Umount { .. }
            | Self::Runtime(_)
            | Self::Output(_) => 1,
        }
    }

    /// Tells whether what should be removed is not there.
    pub(crate) fn is_unknown_image(&self) -> bool {
        matches!(
            self,
            Self::Remove {
                source: RemoveError::Store(StoreRemoveError::Find(FindError::Unknown { .. })),
                ..
            }
        )
    }

    /// Tells whether nobody reads the result any more.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl Report {
    /// Returns the report of pulls that a signal stopped.
    pub(crate) fn stopped(message: String) -> Self {
        Self {
            code: "interrupted",
            message,
            hint: None,
        }
    }

    /// Returns the lines that people read, without an end of line.
    pub(crate) fn text(&self, color: bool) -> String {
        let label = |style: Style, text: &str| {
            if color {
                format!("{style}{text}{style:#}")
            } else {
                text.to_owned()
            }
        };
        let error = label(AnsiColor::Red.on_default().bold(), "error:");
        let text = format!("{error} {}", self.message);
        let Some(hint) = &self.hint else {
            return text;
        };
        let label = label(AnsiColor::Cyan.on_default().bold(), "hint:");
        format!("{text}\n{label} {hint}")
    }
}

/// The error and its causes on one line. A cause that only repeats the text before it is left out.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if next != last {
            text += ": ";
            text += &next;
        }
        last = next;
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
