//! What is configured about the hosts that answer for registries, as values.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::config::{ClientTls, Proxies};
use crate::credentials::Secret;

/// The registries that something is said about.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    /// By the registry of a name: `docker.io`, `quay.io`, `host:5000`.
    pub named: BTreeMap<String, RegistryHosts>,
    /// For every registry that is not named.
    pub default: RegistryHosts,
    /// Registries whose configuration cannot be used. Asking one of them is an error that says why; the
    /// others do not suffer from it.
    pub unusable: BTreeMap<String, InvalidConfig>,
}

/// Who answers for one registry.
#[derive(Clone, Debug, Default)]
pub struct RegistryHosts {
    /// Asked first, in this order.
    pub mirrors: Vec<HostConfig>,
    /// Asked last. `None` is the registry's own host, spoken to as one would without any configuration.
    pub server: Option<HostConfig>,
    /// The proxies for all of these hosts; those of everybody where it is `None`.
    pub proxies: Option<Proxies>,
    /// Places (`https://host[:port]`) that foreign layers of this registry's images may be fetched from
    /// (S2-9). Empty, as by default: from nowhere.
    pub foreign_hosts: Vec<String>,
}

/// One host, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// `http://` or `https://`, host, port, and perhaps a path. The API is at `/v2/` below it.
    pub url: Url,
    /// Whether the path of [`Self::url`] is the API's own: no `/v2` is added to it.
    pub override_path: bool,
    /// What it is asked for.
    pub capabilities: HostCapabilities,
    /// Certificates for it, beside those that are configured for its host and port in general.
    pub tls: ClientTls,
    /// Sent with every request to it. They may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// How long a connection to it may take, where that is not as long as for everybody.
    pub connect: Option<Duration>,
}

/// What a host is asked for. Windlass does not push, so that is not among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostCapabilities {
    /// Manifests by digest, and blobs.
    pub pull: bool,
    /// Manifests by tag, and lists of tags. A host without it never says what a tag means.
    pub resolve: bool,
}

/// Why a registry's configuration cannot be used: an error that is told when it is asked for.
#[derive(Clone)]
pub struct InvalidConfig(Arc<dyn std::error::Error + Send + Sync>);

impl Default for HostCapabilities {
    fn default() -> Self {
        Self {
            pull: true,
            resolve: true,
        }
    }
}

impl HostConfig {
    /// Returns a host that is spoken to as one would without any configuration.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            override_path: false,
            capabilities: HostCapabilities::default(),
            tls: ClientTls::default(),
            headers: Vec::new(),
            connect: None,
        }
    }
}

impl InvalidConfig {
    /// Keeps `error` until the registry is asked for.
    pub fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Debug for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for InvalidConfig {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
