//! Endpoints of registries and their configuration.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use ipnet::IpNet;
use url::Url;
use windlass_http::{ClientTls, Proxies};

use crate::config::RegistryConfig;
use crate::credentials::Secret;
use crate::hosts::{HostCapabilities, HostConfig, InvalidConfig};
use crate::origin::{Origin, OriginError};

mod lookup;

/// The host of `docker.io` (EP-1).
pub(crate) const DOCKER_HUB: &str = "registry-1.docker.io";

/// Headers that define the request itself and cannot be configured.
const RESERVED_HEADERS: [HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::RANGE,
    header::TRANSFER_ENCODING,
];

/// A host that serves the images of a registry. Cheap to clone.
///
/// Two endpoints are equal if their configuration is.
#[derive(Clone)]
pub struct Endpoint(Arc<EndpointInner>);

struct EndpointInner {
    settings: EndpointConfig,
    /// Whether it has responded since this endpoint was created (FB-4).
    has_responded: AtomicBool,
}

/// The configuration of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EndpointConfig {
    pub(crate) origin: Origin,
    /// The base URL of the API; ends in a slash.
    base: Url,
    role: EndpointRole,
    /// The host that credentials are looked up by.
    pub(crate) credential_host: String,
    /// The registry that a mirror is used for, sent as `ns` with every request.
    namespace: Option<String>,
    capabilities: HostCapabilities,
    /// Headers of every request to this origin, and to no other.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// In addition to the TLS settings of the host.
    pub(crate) tls: ClientTls,
    pub(crate) connect: Option<Duration>,
    /// The proxies of its registry, where they differ from the general ones.
    pub(crate) proxies: Option<Proxies>,
    /// If not empty, only addresses within these ranges are connected to, without a proxy (EP-7).
    pub(crate) within: Vec<IpNet>,
}

/// The role of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointRole {
    /// A mirror: it has copies of images.
    Mirror,
    /// The registry itself, which is authoritative.
    Registry,
}

/// Why the endpoints of a registry cannot be determined.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EndpointError {
    /// An address is invalid.
    #[error(transparent)]
    Address(#[from] OriginError),
    /// The configuration of the registry is invalid (FB-8).
    #[error("the configuration of {registry} cannot be used")]
    Config {
        /// The registry, as in an image name.
        registry: String,
        /// What is wrong with it.
        source: InvalidConfig,
    },
    /// A configured header is invalid.
    #[error("the header {name:?} that is configured for {origin} cannot be sent")]
    Header {
        /// The host.
        origin: Origin,
        /// The name of the header. Its value may be a secret.
        name: String,
    },
}

impl Endpoint {
    /// Returns the endpoint at `http://host[:port]` or `https://host[:port]`, without configuration.
    pub fn parse(address: &str) -> Result<Self, EndpointError> {
        Ok(Self::plain(Origin::parse(address)?))
    }

    fn plain(origin: Origin) -> Self {
        let credential_host = credential_host_of(&origin);
        let mut base = origin.url().clone();
        base.set_path("/v2/");
        Self::new(EndpointConfig {
            origin,
            base,
            role: EndpointRole::Registry,
            credential_host,
            namespace: None,
            capabilities: HostCapabilities::default(),
            headers: Vec::new(),
            tls: ClientTls::default(),
            connect: None,
            proxies: None,
            within: Vec::new(),
        })
    }

    /// Returns the configuration of an endpoint for `host`.
    fn configured(
        host: &HostConfig,
        proxies: Option<&Proxies>,
    ) -> Result<EndpointConfig, EndpointError> {
        let origin = Origin::of(&host.url);
        Ok(EndpointConfig {
            base: base(host),
            role: EndpointRole::Registry,
            credential_host: credential_host_of(&origin),
            namespace: None,
            capabilities: host.capabilities,
            headers: headers(host, &origin)?,
            tls: host.tls.clone(),
            connect: host.connect,
            proxies: proxies.cloned(),
            within: Vec::new(),
            origin,
        })
    }

    fn new(settings: EndpointConfig) -> Self {
        let has_responded = AtomicBool::new(false);
        Self(Arc::new(EndpointInner {
            settings,
            has_responded,
        }))
    }

    /// Returns the scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.settings().origin
    }

    /// Returns its role.
    pub fn role(&self) -> EndpointRole {
        self.settings().role
    }

    /// Returns whether it is a mirror.
    pub fn is_mirror(&self) -> bool {
        self.role() == EndpointRole::Mirror
    }

    /// Returns what it is used for.
    pub fn capabilities(&self) -> HostCapabilities {
        self.settings().capabilities
    }

    /// Returns whether it uses https.
    pub fn is_https(&self) -> bool {
        self.origin().is_https()
    }

    /// Returns the host, without port.
    pub fn host(&self) -> &str {
        self.origin().host()
    }

    /// Returns whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        self.origin().is_loopback()
    }

    pub(crate) fn settings(&self) -> &EndpointConfig {
        &self.0.settings
    }

    /// Returns the URL of `path` below the base URL of the API.
    pub(crate) fn api(&self, path: &str) -> Url {
        let mut url = self.settings().base.clone();
        let path = format!("{}{path}", url.path());
        url.set_path(&path);
        self.with_namespace(url)
    }

    /// Adds the mirrored registry as `ns` to `url`, which is on the endpoint, unless it is there.
    pub(crate) fn with_namespace(&self, mut url: Url) -> Url {
        if let Some(namespace) = &self.settings().namespace
            && url.query_pairs().all(|(name, _)| name != "ns")
        {
            url.query_pairs_mut().append_pair("ns", namespace);
        }
        url
    }

    /// Returns the path of the API: `/v2/`, or another one that ends with a slash.
    pub(crate) fn api_path(&self) -> &str {
        self.settings().base.path()
    }

    /// Returns whether the API has its default path.
    pub(crate) fn is_at_root(&self) -> bool {
        self.api_path() == "/v2/"
    }

    /// Returns whether credentials may be sent to it: only with TLS, unless the host is configured as
    /// insecure.
    pub(crate) fn may_have_credentials(&self, config: &RegistryConfig) -> bool {
        let settings = self.settings();
        self.is_https()
            || !settings.within.is_empty()
            || config.permits_plain_http(settings.origin.url())
    }

    /// Records that it responded.
    pub(crate) fn record_response(&self) {
        self.0.has_responded.store(true, Ordering::Relaxed);
    }

    /// Returns whether it has responded since it was created.
    pub(crate) fn has_responded(&self) -> bool {
        self.0.has_responded.load(Ordering::Relaxed)
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.settings() == other.settings()
    }
}

impl Eq for Endpoint {}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.settings().origin.hash(state);
        self.settings().role.hash(state);
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.origin(), f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("origin", self.origin())
            .field("role", &self.role())
            .finish_non_exhaustive()
    }
}

/// Returns the host that credentials for `origin` are looked up by. Docker Hub has several hosts and one
/// name.
fn credential_host_of(origin: &Origin) -> String {
    match origin.authority() {
        DOCKER_HUB | "index.docker.io" => "docker.io".to_owned(),
        authority => authority.to_owned(),
    }
}

/// Returns the base URL of the API of `host`: `/v2/` below its URL, which may end in `/v2` already.
fn base(host: &HostConfig) -> Url {
    let mut url = host.url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    if host.override_path || path.ends_with("/v2") {
        url.set_path(&format!("{path}/"));
    } else {
        url.set_path(&format!("{path}/v2/"));
    }
    url
}

fn headers(
    host: &HostConfig,
    origin: &Origin,
) -> Result<Vec<(HeaderName, HeaderValue)>, EndpointError> {
    let header = |(name, value): &(String, Secret)| {
        let name: HeaderName = name.parse().ok()?;
        let mut value = HeaderValue::from_str(value.expose()).ok()?;
        value.set_sensitive(true);
        (!RESERVED_HEADERS.contains(&name)).then_some((name, value))
    };
    let headers = host.headers.iter().map(|configured| {
        header(configured).ok_or_else(|| EndpointError::Header {
            origin: origin.clone(),
            name: configured.0.clone(),
        })
    });
    headers.collect()
}

#[cfg(test)]
mod tests;
