//! Errors of commands: messages, codes, hints and exit codes.

mod command_advice;
mod daemon;

use std::io;
use std::path::PathBuf;

use windlass::error::{ContentError, PlatformError, ReferenceError};
use windlass::text;
use windlass_config::ConfigError;
use windlass_control::ControlError;
use windlass_error_report::{ErrorCode, ErrorReport, OperationError};
use windlass_go_template::EvalError;
use windlass_listen::{BindError, ServerTlsError};
use windlass_progress::error_text;
use windlass_timings::DestinationError;

use crate::environment;
use crate::output::message::note;

pub(crate) use daemon::DaemonError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An operation of the engine failed.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// The daemon that owns the store reports an error, or cannot be used.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A platform is malformed.
    #[error(transparent)]
    Platform(PlatformError),
    /// `--all-tags` with a tag or digest (REF-7).
    #[error("--all-tags takes names without tag and digest, not {text:?}")]
    TagWithAllTags { text: String },
    /// A command requires the name of a repository, and the argument has a tag or digest.
    #[error("expected the name of a repository, without tag and digest, not {text:?}")]
    NotARepository { text: String },
    /// A command requires a registry, and the argument is something else.
    #[error("expected a registry, HOST or HOST:PORT, not {text:?}")]
    NotARegistry { text: String },
    /// No directory for the store is known.
    #[error("no directory for images: neither HOME nor XDG_DATA_HOME is set")]
    NoRoot,
    /// A file of `SSL_CERT_FILE` or `SSL_CERT_DIR` cannot be read.
    #[error("reading the certificates in {}", .path.display())]
    Certificates { path: PathBuf, source: io::Error },
    /// A configuration file is invalid.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// A name or password is required, and there is no terminal to prompt on.
    #[error("no {what} was given, and there is no terminal to prompt for it")]
    NoTerminal { what: &'static str },
    /// The input to a prompt is empty.
    #[error("no {what} was given")]
    NothingGiven { what: &'static str },
    /// Standard input or the terminal cannot be read.
    #[error("reading the {what}")]
    Input {
        what: &'static str,
        source: io::Error,
    },
    /// A server cannot listen on an address.
    #[error(transparent)]
    Listen(BindError),
    /// The images to serve cannot be listed.
    #[error("listing the images to serve")]
    StoredContent(#[source] ContentError),
    /// A file that an option names cannot be read.
    #[error("reading {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    /// A server cannot use its certificate or key.
    #[error("using {} and {} for TLS", .certificate.display(), .key.display())]
    Identity {
        certificate: PathBuf,
        key: PathBuf,
        source: ServerTlsError,
    },
    /// The command line is invalid.
    #[error("{text}")]
    Usage { text: String },
    /// A template cannot be rendered.
    #[error("--format")]
    Format(#[source] EvalError),
    /// The page of `--timings` cannot be written.
    #[error(transparent)]
    Timings(DestinationError),
    /// The daemon cannot start as configured.
    #[error(transparent)]
    Daemon(Box<DaemonError>),
    /// The system does not provide a thread, a signal handler or a socket.
    #[error("starting")]
    Runtime(#[source] io::Error),
    /// The result cannot be written.
    #[error("writing to standard output")]
    Output(#[from] io::Error),
}

impl Error {
    /// Returns the report for users and programs.
    pub(crate) fn report(&self) -> ErrorReport {
        match self {
            Self::Operation(error) => error.report(),
            Self::Control(ControlError::Reported(report)) => (**report).clone(),
            Self::Control(_)
            | Self::Platform(_)
            | Self::TagWithAllTags { .. }
            | Self::NotARepository { .. }
            | Self::NotARegistry { .. }
            | Self::NoRoot
            | Self::Certificates { .. }
            | Self::Config(_)
            | Self::NoTerminal { .. }
            | Self::NothingGiven { .. }
            | Self::Input { .. }
            | Self::Listen(_)
            | Self::StoredContent(_)
            | Self::File { .. }
            | Self::Identity { .. }
            | Self::Usage { .. }
            | Self::Format(_)
            | Self::Timings(_)
            | Self::Daemon(_)
            | Self::Runtime(_)
            | Self::Output(_) => ErrorReport::new(&text::error_chain(self), &[], &self.advice()),
        }
    }

    /// Prints the error on standard error, unless it is that the reader of standard output has closed its end.
    pub(crate) fn print(&self) {
        if !self.is_broken_pipe() {
            note(&error_text(&self.report(), environment::colors()));
        }
    }

    /// Returns the exit code: 2 for an invalid command line, as in clap; 141, that of a process that `SIGPIPE` ends, if
    /// the reader of the output has closed its end; otherwise 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::TagWithAllTags { .. }
            | Self::NotARepository { .. }
            | Self::NotARegistry { .. }
            | Self::Operation(OperationError::Filter(_))
            | Self::Format(EvalError::UnknownField { .. })
            | Self::Usage { .. } => 2,
            error if error.is_broken_pipe() => 141,
            Self::Operation(_)
            | Self::Control(_)
            | Self::Platform(_)
            | Self::NoRoot
            | Self::Certificates { .. }
            | Self::Config(_)
            | Self::NoTerminal { .. }
            | Self::NothingGiven { .. }
            | Self::Input { .. }
            | Self::Listen(_)
            | Self::StoredContent(_)
            | Self::File { .. }
            | Self::Identity { .. }
            | Self::Format(_)
            | Self::Timings(_)
            | Self::Daemon(_)
            | Self::Runtime(_)
            | Self::Output(_) => 1,
        }
    }

    /// Returns whether the image does not exist in the store.
    pub(crate) fn is_unknown_image(&self) -> bool {
        self.report().code == ErrorCode::NoSuchImage
    }

    /// Returns whether the reader of the output has closed its end.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        if let Self::Output(error) = self {
            return error.kind() == io::ErrorKind::BrokenPipe;
        }
        matches!(self, Self::Operation(error) if error.is_broken_pipe())
    }
}

impl From<DaemonError> for Error {
    fn from(error: DaemonError) -> Self {
        Self::Daemon(Box::new(error))
    }
}

impl From<ReferenceError> for Error {
    fn from(error: ReferenceError) -> Self {
        OperationError::Reference(error).into()
    }
}

#[cfg(test)]
mod tests;
