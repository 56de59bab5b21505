//! Errors, and warnings about parts of the image config that are left out.

use std::io;

use windlass_oci::text::Sanitized;

/// Why an image config cannot be converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The image is not for Linux.
    #[error("the image is for {os}, not for linux")]
    OtherOs {
        /// The operating system of the image.
        os: Sanitized,
    },
    /// Neither the image nor the options have a command.
    #[error("the image has no command")]
    NoCommand,
    /// A string contains a NUL character, at which it would end for programs.
    #[error("the {what} contains a NUL character")]
    Nul {
        /// The name of the string, such as `command`.
        what: &'static str,
    },
    /// The working directory is a relative path.
    #[error("the working directory {cwd:?} is not absolute")]
    RelativeCwd {
        /// The directory.
        cwd: Sanitized,
    },
    /// The user is not of the form `USER[:GROUP]`, or a number is not a valid ID.
    #[error("{user:?} is not a user: expected USER or USER:GROUP, by name or number")]
    InvalidUser {
        /// The user as given.
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
    /// The file in which a name must be looked up cannot be read.
    #[error("cannot look up {name:?} in the image's {path}")]
    Accounts {
        /// The name of the user or group.
        name: Sanitized,
        /// The path of the file in the image.
        path: &'static str,
        /// Why it cannot be read.
        source: AccountsError,
    },
    /// A rootless container has only user 0, which is mapped to the user outside.
    #[error(
        "the container would run as user {uid} and group {gid}, but a rootless bundle has only user 0 and group 0"
    )]
    Unmapped {
        /// The ID of the user.
        uid: u32,
        /// The ID of the group.
        gid: u32,
    },
}

/// Why a file in the root of an image cannot be read (A23).
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// It cannot be opened or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is a directory, a device, a pipe or the like.
    #[error("not a regular file")]
    NotAFile,
    /// It is too large.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The largest size that is accepted, in bytes.
        limit: u64,
    },
    /// A line is too long.
    #[error("a line is longer than {limit} bytes")]
    LongLine {
        /// The longest line that is accepted, in bytes.
        limit: usize,
    },
}

/// A part of the image config that was left out of the bundle's config.
#[derive(Debug)]
pub enum BundleWarning {
    /// An element of the environment is not of the form `NAME=value`.
    Variable {
        /// The element.
        text: Sanitized,
    },
    /// A label would have configured the runtime.
    Label {
        /// The key of the label.
        key: Sanitized,
    },
    /// A volume cannot be mounted.
    Volume {
        /// The path of the volume.
        path: Sanitized,
        /// Why it cannot be mounted.
        problem: VolumeProblem,
    },
    /// A file with details about the user, such as the home directory, cannot be read.
    Accounts {
        /// The path of the file in the image.
        path: &'static str,
        /// Why it cannot be read.
        source: AccountsError,
    },
}

/// Why a volume cannot be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeProblem {
    /// The path is not an absolute path below `/` without `..`.
    Path,
    /// The path belongs to the kernel or the runtime: `/`, `/proc`, `/sys`, `/dev`, or a path below the latter three.
    System,
    /// The path is not a directory in the image.
    NotADirectory,
}
