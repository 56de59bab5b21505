//! Configuration of the hosts of registries.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::credentials::Secret;
use windlass_http::{ClientTls, Proxies};

/// The configured registries.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    /// By the registry in image names: `docker.io`, `quay.io`, `host:5000`.
    pub named: BTreeMap<String, RegistryHosts>,
    /// For all other registries.
    pub default: RegistryHosts,
    /// Registries whose configuration is invalid. A request to one of them fails with the reason; others are
    /// not affected.
    pub unusable: BTreeMap<String, InvalidConfig>,
}

/// The hosts of one registry.
#[derive(Clone, Debug, Default)]
pub struct RegistryHosts {
    /// Mirrors, tried first in this order.
    pub mirrors: Vec<HostConfig>,
    /// The server, tried last. `None` is the registry's own host with default settings.
    pub server: Option<HostConfig>,
    /// The proxies of all these hosts; `None` uses the general ones.
    pub proxies: Option<Proxies>,
    /// Origins (`https://host[:port]`) that foreign layers of this registry's images may be fetched from
    /// (S2-9). Empty by default: none.
    pub foreign_hosts: Vec<String>,
}

/// A host and its connection settings.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The URL: `http://` or `https://`, host, port, and optionally a path. The API is at `/v2/` below it.
    pub url: Url,
    /// Whether the path of [`Self::url`] is that of the API itself, so that no `/v2` is added.
    pub override_path: bool,
    /// What it is used for.
    pub capabilities: HostCapabilities,
    /// TLS settings of it, in addition to those of its host and port in general.
    pub tls: ClientTls,
    /// Headers of every request to it. They may contain secrets.
    pub headers: Vec<(String, Secret)>,
    /// The connect timeout, if it differs from the general one.
    pub connect: Option<Duration>,
}

/// What a host is used for. Pushes always use the registry's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostCapabilities {
    /// Manifests by digest, and blobs.
    pub pull: bool,
    /// Manifests by tag, and lists of tags. Tags are never resolved at a host without this capability.
    pub resolve: bool,
}

/// Why the configuration of a registry is invalid; reported when the registry is used.
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
    /// Returns a host with default settings.
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
    /// Wraps the error.
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
