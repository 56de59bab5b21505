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

/// The directories of other programs with a `certs.d` directory. The first one that configures a registry counts.
const OTHER_PROGRAMS: [&str; 3] = ["containerd", "docker", "containers"];
/// Those of them that read the configuration directory of a user as well.
const OTHER_PROGRAMS_OF_USERS: [&str; 2] = ["docker", "containers"];

impl ConfigPaths {
    /// Returns the usual files and directories in `user`, the configuration directory of the user, and in `system`,
    /// which normally is `/etc`. The user's files override the system's, and windlass's those of other programs.
    pub fn usual(user: Option<&Path>, system: Option<&Path>) -> Self {
        let certs_d = |directory: &Path, program: &str| directory.join(program).join("certs.d");
        let own = { user.iter().chain(&system) }.map(|directory| certs_d(directory, "windlass"));
        let of_users = user
            .iter()
            .flat_map(|user| OTHER_PROGRAMS_OF_USERS.map(|program| certs_d(user, program)));
        let of_system = system
            .iter()
            .flat_map(|system| OTHER_PROGRAMS.map(|program| certs_d(system, program)));
        // In this list the order is reversed: later files override earlier ones.
        let files = { system.iter().chain(&user) }
            .map(|directory| directory.join("windlass/windlass.toml"));
        Self {
            windlass: WindlassFiles::Usual(files.collect()),
            certs_dirs: own.chain(of_users).chain(of_system).collect(),
            daemon_json: system.map(|system| system.join("docker/daemon.json")),
        }
    }
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
