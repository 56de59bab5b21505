//! How registries are to be spoken to, as values.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::address::Special;
use crate::credentials::Secret;
use crate::hosts::{Registries, Tls};

/// Everything that can be chosen about the way to registries.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Who answers for which registry.
    pub registries: Registries,
    /// Certificates for endpoints by their `host` or `host:port`, whatever registry they answer for (EP-10).
    pub certificates: BTreeMap<String, Tls>,
    /// Hosts (`host` or `host:port`) and ranges of addresses (`10.0.0.0/8`) that may be spoken to without
    /// TLS, beside this machine itself, which always may (EP-7).
    pub insecure: Vec<String>,
    /// Whether manifests of Docker's schema 1 are taken (MF-7).
    pub schema1: bool,
    /// Certificates in PEM form (one or more in each) trusted beside the system's.
    pub extra_roots: Vec<Vec<u8>>,
    /// The `User-Agent` of every request.
    pub user_agent: String,
    /// Proxies to go through; none by default.
    pub proxies: Proxies,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// How many redirects are followed for one request.
    pub redirects: usize,
}

/// Proxies, as the usual environment variables name them. This machine is never reached by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proxies {
    /// The proxy for `http` URLs; it may carry credentials, hence the [`Secret`].
    pub http: Option<Secret>,
    /// The proxy for `https` URLs.
    pub https: Option<Secret>,
    /// Hosts, domains, addresses and CIDR ranges to go to directly, separated by commas.
    pub no_proxy: Option<String>,
}

/// How long the client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, its TLS handshake included.
    pub connect: Duration,
    /// For the head of a response, from the moment the request is made (so [`Self::connect`] is part of it).
    pub response: Duration,
    /// For progress on a body. A connection that brings less than [`Self::floor`] bytes for so long a time
    /// of waiting is given up. Time in which the caller does not ask for more is not waiting.
    pub stall: Duration,
    /// The least number of bytes a body must bring per [`Self::stall`].
    pub floor: u64,
    /// For a token, request and body together (HT-9).
    pub token: Duration,
    /// For the ping that tells a registry from other servers (HT-4).
    pub ping: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            registries: Registries::default(),
            certificates: BTreeMap::new(),
            insecure: Vec::new(),
            schema1: false,
            extra_roots: Vec::new(),
            user_agent: concat!("windlass/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxies: Proxies::default(),
            timeouts: Timeouts::default(),
            redirects: 5,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            floor: 30 << 10,
            token: Duration::from_secs(15),
            ping: Duration::from_secs(15),
        }
    }
}

impl RegistryConfig {
    /// Tells whether the host of `url` may be spoken to without TLS.
    pub(crate) fn permits_plain_http(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        if Special::of_host(&host) == Some(Special::Loopback) {
            return true;
        }
        self.insecure.iter().any(|listed| {
            // Parsed as a URL, so that both sides are normalised alike (C21).
            let Ok(listed_url) = Url::parse(&format!("http://{listed}/")) else {
                return false;
            };
            let any_port = listed_url.port().is_none() && !names_port(listed);
            listed_url.host() == url.host()
                && (any_port || listed_url.port_or_known_default() == url.port_or_known_default())
        })
    }
}

/// Tells whether `authority` ends in a port; the URL type drops one that is the scheme's own.
fn names_port(authority: &str) -> bool {
    authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit()))
        && !authority.ends_with(']')
        && (authority.starts_with('[') || authority.matches(':').count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EP-7.
    #[test]
    fn plain_http_is_for_this_machine_and_listed_hosts() {
        let config = RegistryConfig {
            insecure: [
                "registry.test",
                "other.test:5000",
                "third.test:80",
                "[fd00::1]:5000",
            ]
            .map(str::to_owned)
            .to_vec(),
            ..RegistryConfig::default()
        };
        for (url, expected) in [
            ("http://127.0.0.1:5000/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:5000/", true),
            ("http://localhost:5000/", true),
            ("http://registry.test/", true),
            ("http://registry.test:5000/", true),
            ("http://REGISTRY.test:5000/", true),
            ("http://other.test:5000/", true),
            ("http://other.test/", false),
            ("http://third.test/", true),
            ("http://third.test:81/", false),
            ("http://[fd00::1]:5000/", true),
            ("http://[fd00::1]:5001/", false),
            ("http://registry.test.evil.test/", false),
            ("http://10.0.0.1/", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(config.permits_plain_http(&url), expected, "{url}");
        }
    }

    /// I7.
    #[test]
    fn debug_does_not_show_a_proxy_password() {
        let proxies = Proxies {
            https: Some(Secret::new("http://me:hunter2@proxy.test:3128")),
            ..Proxies::default()
        };
        assert!(!format!("{proxies:?}").contains("hunter2"));
    }
}
