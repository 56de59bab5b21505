//! Where values come from, and what is noteworthy about the files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use windlass_oci::text::{Sanitized, error_chain, sanitize_up_to};

use crate::error::{ConfigError, shown_path};

/// The maximum length of the reason why a file is invalid, which contains paths.
const REASON_CHARS: usize = 1000;

/// A file or directory that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceFile {
    /// The path.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// What kind of file it is.
    pub kind: SourceKind,
    /// Whether it was used.
    pub state: SourceState,
}

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// A `windlass.toml`.
    Windlass,
    /// A `certs.d` directory, which has one directory for each registry.
    CertsDir,
    /// A `hosts.toml`, in containerd's format.
    HostsToml,
    /// The certificates in the directory of a registry, in Docker's layout.
    Certificates,
    /// A `daemon.json`, in Docker's format.
    DaemonJson,
}

/// Whether a file was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    /// The file was read, and its content counts.
    Read,
    /// The file does not exist.
    Absent,
    /// The user may not read the file.
    Unreadable,
    /// The file is invalid, and the registry that it is about cannot be used.
    Broken,
    /// Another file overrides the file.
    Ignored,
}

/// A file, and a line in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileLocation {
    /// The file.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// The line, from 1, if there is one.
    pub line: Option<usize>,
}

/// A value, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: FileLocation,
}

/// Something noteworthy about a file that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it is.
    pub origin: FileLocation,
    /// The key, if it is about one.
    pub key: Option<String>,
    /// What it is.
    pub kind: FindingKind,
}

/// What is noteworthy about a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindingKind {
    /// An unknown key in a file of containerd's, which ignores such keys, too.
    #[error("unknown key, ignored")]
    UnknownKey,
    /// Keys of Docker's that have no effect on windlass.
    #[error("Docker's keys without effect here, ignored")]
    UnusedDockerKeys,
    /// A key that counts only together with `server`.
    #[error("ignored, because there is no `server`")]
    NeedsServer,
    /// The scheme of an insecure registry, which Docker drops, too.
    #[error("the scheme is ignored: only HOST or HOST:PORT counts")]
    SchemeDropped,
    /// More than one client certificate, while a connection has one.
    #[error(
        "of several client certificates the first is used: {}",
        shown_path(used)
    )]
    SeveralIdentities {
        /// The certificate that is used.
        used: PathBuf,
    },
    /// A client certificate that would be sent to every server.
    #[error("a client certificate for every registry is ignored")]
    DefaultIdentity,
    /// A configured directory does not exist.
    #[error("there is no such directory")]
    MissingDirectory,
    /// The name of a directory is not the name of a registry.
    #[error("not the name of a registry, ignored")]
    NotARegistry,
    /// A file of Docker's or containerd's that the user may not read.
    #[error("cannot be read, ignored: {}", .0)]
    Unreadable(io::ErrorKind),
    /// An invalid file that another file overrides.
    #[error("broken, ignored: {0}")]
    Broken(Sanitized),
}

impl FileLocation {
    /// Returns the location of the file as a whole.
    pub(crate) fn file(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
        }
    }
}

impl<T> Setting<T> {
    pub(crate) fn new(value: T, origin: FileLocation) -> Self {
        Self { value, origin }
    }
}

impl SourceFile {
    pub(crate) fn new(path: &Path, kind: SourceKind, state: SourceState) -> Self {
        Self {
            path: path.to_owned(),
            kind,
            state,
        }
    }
}

impl Finding {
    /// Returns a finding about the file as a whole.
    pub(crate) fn file(path: &Path, kind: FindingKind) -> Self {
        Self {
            origin: FileLocation::file(path),
            key: None,
            kind,
        }
    }

    /// Returns the finding that a file is invalid and another one overrides it.
    pub(crate) fn broken(error: &ConfigError) -> Self {
        Self {
            origin: FileLocation {
                path: error.path.clone(),
                line: error.position.map(|position| position.line),
            },
            key: error.key.clone(),
            kind: FindingKind::Broken(sanitize_up_to(&error_chain(&*error.problem), REASON_CHARS)),
        }
    }
}

/// Serializes a path that may not be UTF-8.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

impl fmt::Display for FileLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shown_path(&self.path))?;
        match self.line {
            Some(line) => write!(f, ":{line}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}", self.kind)
    }
}
