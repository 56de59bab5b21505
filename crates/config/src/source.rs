//! What was read from where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use windlass_oci::text::{Sanitized, error_chain, sanitize_up_to};

use crate::error::{ConfigError, shown_path};

/// How much is told of why a file is broken: paths are in it.
const REASON_CHARS: usize = 1000;

/// A file or directory that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Where it is, or would be.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// What it is.
    pub kind: SourceKind,
    /// What became of it.
    pub state: SourceState,
}

/// What kinds of files there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// A `windlass.toml`.
    Windlass,
    /// A directory with a directory for each registry: a `certs.d`.
    CertsDir,
    /// A `hosts.toml`, in containerd's form.
    HostsToml,
    /// The certificates in a registry's directory, in Docker's form.
    Certificates,
    /// Docker's `daemon.json`.
    DaemonJson,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    /// It was read, and counts.
    Read,
    /// It is not there.
    Absent,
    /// It is there, and this user may not read it.
    Unreadable,
    /// It cannot be used; the registries that it is about cannot be, either.
    Broken,
    /// It was read, but another file decides.
    Ignored,
}

/// A place that a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub path: PathBuf,
    /// The line in it, where that is known.
    pub line: Option<usize>,
}

/// A value, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// Something that people may want to know, and that keeps nothing from working.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it is.
    pub origin: Origin,
    /// The key that it is about, if it is about one.
    pub key: Option<String>,
    /// What it is.
    pub remark: Remark,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Remark {
    /// A key without a meaning, in a file whose other readers ignore such keys, too.
    #[error("unknown key, ignored")]
    UnknownKey,
    /// Keys of Docker's that have no meaning here.
    #[error("of Docker's keys, without a meaning here, ignored")]
    Dockers,
    /// A key that counts only together with `server`.
    #[error("ignored, because there is no `server`")]
    NeedsServer,
    /// A scheme before an insecure registry; Docker drops it, too.
    #[error("the scheme is ignored: only HOST or HOST:PORT counts")]
    SchemeDropped,
    /// Several client certificates; a connection has one.
    #[error(
        "of several client certificates the first is used: {}",
        shown_path(used)
    )]
    SeveralIdentities {
        /// The one that is used.
        used: PathBuf,
    },
    /// A client certificate that every server would be shown.
    #[error("a client certificate for every registry is ignored")]
    EverybodysIdentity,
    /// A directory that was asked for by its name.
    #[error("there is no such directory")]
    NotThere,
    /// A directory that is not called like a registry.
    #[error("not the name of a registry, ignored")]
    NotARegistry,
    /// A file of Docker's or containerd's that this user may not read.
    #[error("cannot be read, ignored: {}", .0)]
    Unreadable(io::ErrorKind),
    /// A file that is broken, where another one decides anyway.
    #[error("broken, ignored: {0}")]
    Broken(Sanitized),
}

impl Origin {
    /// The file as a whole.
    pub(crate) fn file(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
        }
    }
}

impl<T> Setting<T> {
    pub(crate) fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}

impl Source {
    pub(crate) fn new(path: &Path, kind: SourceKind, state: SourceState) -> Self {
        Self {
            path: path.to_owned(),
            kind,
            state,
        }
    }
}

impl Finding {
    pub(crate) fn file(path: &Path, remark: Remark) -> Self {
        Self {
            origin: Origin::file(path),
            key: None,
            remark,
        }
    }

    /// A broken file that does not matter.
    pub(crate) fn broken(error: &ConfigError) -> Self {
        Self {
            origin: Origin {
                path: error.path.clone(),
                line: error.place.map(|place| place.line),
            },
            key: error.key.clone(),
            remark: Remark::Broken(sanitize_up_to(&error_chain(&*error.problem), REASON_CHARS)),
        }
    }
}

/// Writes a path that may not be UTF-8, for people to see.
pub(crate) fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

impl fmt::Display for Origin {
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
        write!(f, "{}", self.remark)
    }
}
