//! Why a config could not be made, and what of the image was left out of it.

use std::io;

use windlass_oci::text::Sanitized;

/// Why an image config could not be turned into a runtime's.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// Runtimes of this kind of config are Linux's.
    #[error("the image is for {os}, not for linux")]
    OtherOs {
        /// What it is for.
        os: Sanitized,
    },
    /// Neither the image nor the user says what to run.
    #[error("the image has no command")]
    NoCommand,
    /// A text ends for programs before it does for people.
    #[error("a NUL character in the {what}")]
    Nul {
        /// Where, such as `command`.
        what: &'static str,
    },
    /// Relative to what, nobody says.
    #[error("the working directory {cwd:?} is not absolute")]
    RelativeCwd {
        /// The directory.
        cwd: Sanitized,
    },
    /// Not of the form `USER[:GROUP]`, or a number that no ID can be.
    #[error("{user:?} is no user: USER or USER:GROUP is, by name or number")]
    InvalidUser {
        /// What was taken for a user.
        user: Sanitized,
    },
    /// The image's `/etc/passwd` does not have the user.
    #[error("the image has no user {user:?}")]
    UnknownUser {
        /// The user's name.
        user: Sanitized,
    },
    /// The image's `/etc/group` does not have the group.
    #[error("the image has no group {group:?}")]
    UnknownGroup {
        /// The group's name.
        group: Sanitized,
    },
    /// A name is to be looked up in a file that cannot be used.
    #[error("looking for {name:?} in the image's {path}")]
    Accounts {
        /// The user's or group's name.
        name: Sanitized,
        /// The file, within the image.
        path: &'static str,
        /// What is wrong with it.
        source: AccountsError,
    },
    /// Without root, there is no one but root in the container, who is the user outside.
    #[error(
        "it is to run as user {uid} and group {gid}; without root there is no one but user 0 and group 0"
    )]
    Unmapped {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
}

/// Why a file within an image's root is not read (A23).
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// It could not be opened, or leads nowhere.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is a directory, a device, a pipe or the like.
    #[error("not a regular file")]
    NotAFile,
    /// It is larger than such files ever are.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// It has a line longer than such files ever have.
    #[error("a line of more than {limit} bytes")]
    LongLine {
        /// The longest line that is read, in bytes.
        limit: usize,
    },
}

/// What of an image is not in the config.
#[derive(Debug)]
pub enum BundleWarning {
    /// An element of the environment is no variable.
    Variable {
        /// The element.
        text: Sanitized,
    },
    /// A label would have told the runtime what to do.
    Label {
        /// The label's key.
        key: Sanitized,
    },
    /// A volume cannot be mounted.
    Volume {
        /// Its path.
        path: Sanitized,
        /// Why.
        problem: VolumeProblem,
    },
    /// A file is not used, and could have said more about the user.
    Accounts {
        /// The file, within the image.
        path: &'static str,
        /// What is wrong with it.
        source: AccountsError,
    },
}

/// Why there is nothing to mount for a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeProblem {
    /// It is not an absolute path without `..` below `/`.
    Path,
    /// It is the kernel's or the runtime's: `/proc`, `/sys`, `/dev`, or below one of them; or all there is.
    System,
    /// Something else is there in the image.
    NotADirectory,
}
