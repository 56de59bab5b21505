//! What can be configured, each with the place that it comes from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use windlass_registry::{HostConfig, Proxies, Secret};

use crate::size::Rate;
use crate::source::{Origin, Setting};

/// The way to hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// None, whatever the environment says.
    Direct,
    /// Through a proxy; its address may carry credentials, hence the [`Secret`].
    Through(Secret),
}

/// The proxies for every registry that has none of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// For `http` URLs.
    pub http: Option<Setting<Proxy>>,
    /// For `https` URLs.
    pub https: Option<Setting<Proxy>>,
    /// What to go to directly, separated by commas.
    pub no_proxy: Option<Setting<String>>,
}

/// How long to wait; see [`windlass_registry::Timeouts`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeoutSettings {
    /// For a connection.
    pub connect: Option<Setting<Duration>>,
    /// For the head of a response.
    pub response: Option<Setting<Duration>>,
    /// For progress on a body.
    pub stall: Option<Setting<Duration>>,
    /// The bytes that are progress.
    pub floor: Option<Setting<u64>>,
    /// For a token.
    pub token: Option<Setting<Duration>>,
    /// For the ping.
    pub ping: Option<Setting<Duration>>,
}

/// Who answers for one registry, or for all that are not named.
#[derive(Clone, Debug, Default)]
pub struct RegistrySettings {
    /// Asked first, in this order.
    pub mirrors: Vec<Setting<HostConfig>>,
    /// Asked last. `None` is the registry's own host.
    pub server: Option<Setting<HostConfig>>,
    /// Where it is said who answers; `None` if nothing says so, and the registry's own host does.
    pub hosts_from: Option<Origin>,
    /// The proxies for all of these hosts; those of everybody where it is `None`.
    pub proxies: Option<Setting<Proxies>>,
    /// Places that foreign layers may be fetched from (S2-9).
    pub foreign_hosts: Option<Setting<Vec<String>>>,
    /// How fast bytes may come from all of these hosts together.
    pub limit_rate: Option<Setting<Rate>>,
}

/// Files with certificates for a host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateOrigin {
    /// The directory or the file that names them.
    pub origin: Origin,
    /// How many files with roots there are.
    pub roots: usize,
    /// Whether there is a client certificate.
    pub has_identity: bool,
    /// Whether any certificate is taken.
    pub skip_verify: bool,
}

/// Directories and files to read.
///
/// Nothing is read that is not named here, or in a file that is. Paths should be absolute.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Windlass's own files.
    pub windlass: WindlassFiles,
    /// The directories with a directory for each registry (`certs.d`). The first with a `hosts.toml` for a
    /// registry decides about its hosts; the certificates of all of them count.
    pub certs_dirs: Vec<PathBuf>,
    /// Docker's `daemon.json`.
    pub daemon_json: Option<PathBuf>,
}

/// Which `windlass.toml` to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindlassFiles {
    /// Those that are there; a later one's keys win.
    Usual(Vec<PathBuf>),
    /// This one, which must be there, instead of all others.
    Only(PathBuf),
}

/// The `daemon.json` of windlass's own daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaemonJsonFile {
    /// This one, if it is there.
    Usual(PathBuf),
    /// This one, which must be there.
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
