//! One place that answers for a registry: scheme, host and port.

use std::fmt;

use url::Url;
use windlass_oci::RepositoryName;
use windlass_oci::text::shown;

use crate::config::RegistryConfig;

/// The host that answers for `docker.io` (EP-1).
const DOCKER_HUB: &str = "registry-1.docker.io";

/// Where a registry is spoken to: scheme, host and port. Credentials are bound to all three (R8).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(Url);

/// Why a text is not an endpoint.
#[derive(Debug, thiserror::Error)]
#[error("invalid registry address {address}: {reason}")]
pub struct EndpointError {
    /// What was to be an address.
    pub address: String,
    /// What is wrong about it.
    pub reason: String,
}

impl Endpoint {
    /// Returns the endpoints of the registry that `name` lives in, best first.
    ///
    /// `docker.io` is answered by `https://registry-1.docker.io` (EP-1), any other registry by https on its
    /// own host. A host that [`RegistryConfig::insecure`] lists is tried by https first and then by plain
    /// http (EP-4); this machine by plain http first, as hardly any registry on loopback has a certificate.
    pub fn of(name: &RepositoryName, config: &RegistryConfig) -> Result<Vec<Self>, EndpointError> {
        let host = match name.registry() {
            "docker.io" => DOCKER_HUB,
            host => host,
        };
        let secure = Self::parse(&format!("https://{host}"))?;
        let plain = Self::parse(&format!("http://{host}"))?;
        if !config.permits_plain_http(&plain.0) {
            return Ok(vec![secure]);
        }
        if plain.is_loopback() {
            return Ok(vec![plain, secure]);
        }
        Ok(vec![secure, plain])
    }

    /// Parses `http://host[:port]` or `https://host[:port]`, as for a mirror (EP-3).
    pub fn parse(address: &str) -> Result<Self, EndpointError> {
        let refuse = |reason: &str| EndpointError {
            address: without_userinfo(address),
            reason: reason.to_owned(),
        };
        let url = Url::parse(address).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("the scheme must be http or https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it must not carry credentials"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("expected only a host and a port behind the scheme"));
        }
        Ok(Self(url))
    }

    /// Returns where `url` is served.
    pub(crate) fn serving(url: &Url) -> Self {
        let mut url = url.clone();
        // A `cannot-be-a-base` URL has neither; none gets here, as only http(s) URLs are asked.
        let _: Result<(), ()> = url.set_username("");
        let _: Result<(), ()> = url.set_password(None);
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        Self(url)
    }

    /// Tells whether the connection is protected by TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns the host, without port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Tells whether this is the machine itself.
    pub fn is_loopback(&self) -> bool {
        use crate::address::Special;
        self.0
            .host()
            .is_some_and(|host| Special::of_host(&host) == Some(Special::Loopback))
    }

    /// Returns the URL itself, with the path `/`.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// Returns the URL of `path` below `/v2/`.
    pub(crate) fn api(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("/v2/{path}"));
        url
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An address that is shown in an error loses what stands before an `@`: it may be a password.
fn without_userinfo(address: &str) -> String {
    let Some((before, host)) = address.rsplit_once('@') else {
        return shown(address).to_string();
    };
    let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
    format!("{}://…@{}", shown(scheme), shown(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(reference: &str, insecure: &[&str]) -> Vec<String> {
        let reference: windlass_oci::Reference = reference.parse().unwrap();
        let config = RegistryConfig {
            insecure: insecure.iter().map(ToString::to_string).collect(),
            ..RegistryConfig::default()
        };
        let endpoints = Endpoint::of(reference.repository(), &config).unwrap();
        endpoints.iter().map(ToString::to_string).collect()
    }

    /// EP-1.
    #[test]
    fn docker_hub_is_answered_by_its_registry_host() {
        assert_eq!(endpoints("alpine", &[]), ["https://registry-1.docker.io"]);
    }

    /// EP-4, EP-7.
    #[test]
    fn https_unless_loopback_or_listed() {
        assert_eq!(endpoints("quay.io/a/b", &[]), ["https://quay.io"]);
        assert_eq!(
            endpoints("registry.test:5000/b", &["registry.test:5000"]),
            ["https://registry.test:5000", "http://registry.test:5000"]
        );
        assert_eq!(
            endpoints("localhost:5000/b", &[]),
            ["http://localhost:5000", "https://localhost:5000"]
        );
        assert_eq!(
            endpoints("127.0.0.1:5000/b", &[]),
            ["http://127.0.0.1:5000", "https://127.0.0.1:5000"]
        );
    }

    /// EP-3.
    #[test]
    fn an_address_is_scheme_host_and_port_only() {
        for address in [
            "ftp://a.test",
            "a.test",
            "https://",
            "https://a.test/v2",
            "https://a.test/?x",
            "https://a.test/#x",
            "https://me:hunter2@a.test",
            "https://a.test:99999",
            "https://me:hunter2@a.test:99999",
        ] {
            let error = Endpoint::parse(address).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert_eq!(
            Endpoint::parse("https://A.test:443/").unwrap().to_string(),
            "https://a.test"
        );
    }
}
