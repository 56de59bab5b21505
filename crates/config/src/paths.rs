//! The files and directories that the configuration is read from.

use std::path::{Path, PathBuf};

/// The files and directories to read. Paths should be absolute.
///
/// No other file is read, except those that one of these files names.
#[derive(Clone, Debug, Default)]
pub struct ConfigPaths {
    /// The `windlass.toml` files.
    pub windlass: WindlassFiles,
    /// The `certs.d` directories, which have one directory for each registry. For the hosts of a registry, the first
    /// directory with a `hosts.toml` counts; certificates are used from all of them.
    pub certs_dirs: Vec<PathBuf>,
    /// Docker's `daemon.json`.
    pub daemon_json: Option<PathBuf>,
}

/// Which `windlass.toml` to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindlassFiles {
    /// Each of these that exists; the keys of a later file override those of an earlier one.
    Usual(Vec<PathBuf>),
    /// This file, which must exist, instead of all others.
    Only(PathBuf),
}

/// The `daemon.json` of windlass's own daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaemonJsonFile {
    /// This file, if it exists.
    Usual(PathBuf),
    /// This file, which must exist.
    Only(PathBuf),
}

impl DaemonJsonFile {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Usual(path) | Self::Only(path) => path,
        }
    }
}

impl Default for WindlassFiles {
    fn default() -> Self {
        Self::Usual(Vec::new())
    }
}
