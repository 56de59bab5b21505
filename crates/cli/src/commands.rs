//! The commands, one module each.

mod archive_output;
pub(crate) mod bundle;
pub(crate) mod completion;
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
