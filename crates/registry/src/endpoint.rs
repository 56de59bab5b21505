//! One place that answers for a registry, and how it is spoken to.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use ipnet::IpNet;
use url::Url;

use crate::config::{ClientTls, Proxies, RegistryConfig};
use crate::credentials::Secret;
use crate::hosts::{HostCapabilities, HostConfig, InvalidConfig};
use crate::origin::Origin;

mod lookup;

/// Who answers for `docker.io` (EP-1).
pub(crate) const DOCKER_HUB: &str = "registry-1.docker.io";

/// Headers that say what is asked, and of whom: not to be configured.
const OURS: [HeaderName; 5] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::RANGE,
    header::TRANSFER_ENCODING,
];

/// One place that answers for a registry. Cheap to clone.
///
/// Two endpoints are equal if they are spoken to in the same way.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    way: Way,
    /// Whether it has answered anything, since this endpoint was looked up (FB-4).
    has_answered: AtomicBool,
}

/// Everything about the way to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Way {
    pub(crate) origin: Origin,
    /// Where the API is: ends in a slash.
    base: Url,
    role: EndpointRole,
    /// What credentials are filed under, in a keyring.
    pub(crate) key: String,
    /// The registry that a mirror is to answer for, as it is told with every request.
    namespace: Option<String>,
    capabilities: HostCapabilities,
    /// Sent with every request to the origin, and to no other.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Beside what is configured for the host in general.
    pub(crate) tls: ClientTls,
    pub(crate) connect: Option<Duration>,
    /// The proxies for its registry's hosts, where those of everybody do not count.
    pub(crate) proxies: Option<Proxies>,
    /// Not empty: it may be spoken to only at addresses in one of these, and without a proxy (EP-7).
    pub(crate) within: Vec<IpNet>,
}

/// What an endpoint is to its registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointRole {
    /// It has copies.
    Mirror,
    /// It is the registry, and has the last word.
    Registry,
}

/// Why a registry has no endpoints.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EndpointError {
    /// A text is not an address.
    #[error("invalid registry address {address}: {reason}")]
    Address {
        /// What was to be an address.
        address: String,
        /// What is wrong about it.
        reason: String,
    },
    /// The configuration of the registry cannot be used (FB-8).
    #[error("the configuration of {registry} cannot be used")]
    Config {
        /// The registry, as in a name.
        registry: String,
        /// What is wrong with it.
        source: InvalidConfig,
    },
    /// One of the headers for a host is none.
    #[error("the header {name:?} that is configured for {origin} cannot be sent")]
    Header {
        /// Which host.
        origin: Origin,
        /// The name of the header. Its value may be a secret.
        name: String,
    },
}

impl Endpoint {
    /// Returns a registry at `http://host[:port]` or `https://host[:port]`, of which nothing is configured.
    pub fn parse(address: &str) -> Result<Self, EndpointError> {
        Ok(Self::plain(Origin::parse(address)?))
    }

    fn plain(origin: Origin) -> Self {
        let key = key_of(&origin);
        let mut base = origin.url().clone();
        base.set_path("/v2/");
        Self::new(Way {
            origin,
            base,
            role: EndpointRole::Registry,
            key,
            namespace: None,
            capabilities: HostCapabilities::default(),
            headers: Vec::new(),
            tls: ClientTls::default(),
            connect: None,
            proxies: None,
            within: Vec::new(),
        })
    }

    /// Returns a host as it is configured.
    fn configured(host: &HostConfig, proxies: Option<&Proxies>) -> Result<Way, EndpointError> {
        let origin = Origin::of(&host.url);
        Ok(Way {
            base: base(host),
            role: EndpointRole::Registry,
            key: key_of(&origin),
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

    fn new(way: Way) -> Self {
        let has_answered = AtomicBool::new(false);
        Self(Arc::new(Inner { way, has_answered }))
    }

    /// Returns the scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.way().origin
    }

    /// Returns what it is to its registry.
    pub fn role(&self) -> EndpointRole {
        self.way().role
    }

    /// Tells whether it is a mirror.
    pub fn is_mirror(&self) -> bool {
        self.role() == EndpointRole::Mirror
    }

    /// Returns what it may be asked for.
    pub fn capabilities(&self) -> HostCapabilities {
        self.way().capabilities
    }

    /// Tells whether it is spoken to in TLS.
    pub fn is_https(&self) -> bool {
        self.origin().is_https()
    }

    /// Returns the host, without port.
    pub fn host(&self) -> &str {
        self.origin().host()
    }

    /// Tells whether this is the machine itself.
    pub fn is_loopback(&self) -> bool {
        self.origin().is_loopback()
    }

    pub(crate) fn way(&self) -> &Way {
        &self.0.way
    }

    /// Returns the URL of `path` below the API.
    pub(crate) fn api(&self, path: &str) -> Url {
        let mut url = self.way().base.clone();
        let path = format!("{}{path}", url.path());
        url.set_path(&path);
        self.with_namespace(url)
    }

    /// Tells `url`, which is on the endpoint, for which registry it is asked, if it is not told yet.
    pub(crate) fn with_namespace(&self, mut url: Url) -> Url {
        if let Some(namespace) = &self.way().namespace
            && url.query_pairs().all(|(name, _)| name != "ns")
        {
            url.query_pairs_mut().append_pair("ns", namespace);
        }
        url
    }

    /// Tells whether the API is where it is without any configuration.
    pub(crate) fn is_at_root(&self) -> bool {
        self.way().base.path() == "/v2/"
    }

    /// Tells whether a user's credentials may be sent there: not in the clear, unless that was said to be
    /// all right.
    pub(crate) fn may_have_credentials(&self, config: &RegistryConfig) -> bool {
        let way = self.way();
        self.is_https() || !way.within.is_empty() || config.permits_plain_http(way.origin.url())
    }

    /// Remembers that it answered.
    pub(crate) fn note_answer(&self) {
        self.0.has_answered.store(true, Ordering::Relaxed);
    }

    /// Tells whether it has answered anything since it was looked up.
    pub(crate) fn has_answered(&self) -> bool {
        self.0.has_answered.load(Ordering::Relaxed)
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.way() == other.way()
    }
}

impl Eq for Endpoint {}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.way().origin.hash(state);
        self.way().role.hash(state);
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

/// Returns what the credentials for `origin` are filed under. Docker Hub has one name there.
fn key_of(origin: &Origin) -> String {
    match origin.authority() {
        DOCKER_HUB | "index.docker.io" => "docker.io".to_owned(),
        authority => authority.to_owned(),
    }
}

/// Returns where the API of `host` is: at `/v2/` below its URL, which may end in `/v2` already.
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
        (!OURS.contains(&name)).then_some((name, value))
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
