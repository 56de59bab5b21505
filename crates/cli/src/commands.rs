//! The commands, one module each.

pub(crate) mod bundle;
pub(crate) mod completion;
mod compression;
pub(crate) mod config;
pub(crate) mod copy;
pub(crate) mod daemon;
pub(crate) mod df;
pub(crate) mod digest;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod images;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod load;
mod loaded_image;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod manifest;
pub(crate) mod mount;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod push;
mod remote_query;
mod removal_record;
pub(crate) mod rmi;
pub(crate) mod save;
pub(crate) mod serve;
mod shared_args;
pub(crate) mod tag;
pub(crate) mod tags;
pub(crate) mod umount;
pub(crate) mod unpack;
pub(crate) mod version;

use std::path::PathBuf;

use windlass::image::{ImageName, Platform, Reference};
use windlass_error_report::OperationError;
use windlass_progress::error_text;

use crate::context::note;
use crate::environment;
use crate::error::Error;
use crate::signals::Signal;

/// The result of a command that has printed everything there is to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandOutcome {
    Success,
    /// A dry run succeeded, and a pull would change something.
    UpdateAvailable,
    /// Something failed, and the error was printed.
    Failure,
    /// A signal interrupted the command.
    Interrupted(Signal),
}

/// The file with credentials that takes precedence over all others.
#[derive(Debug, clap::Args)]
pub(crate) struct AuthFile {
    /// The path of the file.
    #[arg(
        long,
        value_name = "FILE",
        help = "File with credentials, in Podman's format; takes precedence over all others [env: REGISTRY_AUTH_FILE]"
    )]
    pub(crate) authfile: Option<PathBuf>,
}

/// Prints `error` on standard error, unless it is that the reader of standard output has closed its end.
pub(crate) fn report(error: &Error) {
    if !error.is_broken_pipe() {
        note(&error_text(&error.report(), environment::colors()));
    }
}

/// Parses the name or ID of a local image (REF-8).
pub(crate) fn image_name(text: &str) -> Result<ImageName, Error> {
    text.parse()
        .map_err(|error| OperationError::Reference(error).into())
}

fn parse_reference(text: &str) -> Result<Reference, Error> {
    text.parse()
        .map_err(|error| OperationError::Reference(error).into())
}

fn parse_platform(text: &str) -> Result<Platform, Error> {
    text.parse().map_err(Error::Platform)
}
