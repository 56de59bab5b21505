//! The effective configuration of an endpoint, for display.

use crate::config::RegistryConfig;
use crate::credentials::Secret;
use crate::endpoint::Endpoint;
use crate::transport_pool::TransportKey;

/// How an endpoint is connected to: its own configuration combined with that of all hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointOverview {
    /// The number of files with root certificates that are trusted for this endpoint in addition to those for all hosts.
    pub root_files: usize,
    /// Whether it is sent a client certificate.
    pub has_client_certificate: bool,
    /// Whether its certificate is not verified.
    pub skips_verification: bool,
    /// If not empty, only addresses in these ranges are connected to.
    pub address_ranges: Vec<String>,
    /// The proxy; `None` for a direct connection. `no_proxy` is not evaluated.
    pub proxy: Option<Secret>,
    /// The host that credentials are looked up by.
    pub credential_host: String,
}

impl Endpoint {
    /// Returns how this endpoint is connected to.
    pub fn overview(&self, config: &RegistryConfig) -> EndpointOverview {
        let TransportKey { connection, within } = TransportKey::endpoint(self, config);
        let tls = match self.is_https() {
            true => &connection.tls,
            false => &self.settings().tls,
        };
        let proxy = match self.is_https() {
            true => connection.proxies.https,
            false => connection.proxies.http,
        };
        EndpointOverview {
            root_files: tls.roots.len().saturating_sub(config.extra_roots.len()),
            has_client_certificate: tls.identity.is_some(),
            skips_verification: tls.skip_verify,
            address_ranges: within.iter().map(ToString::to_string).collect(),
            proxy: proxy.filter(|_| !self.is_loopback()),
            credential_host: self.settings().credential_host.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use windlass_oci::Reference;

    use super::*;
    use crate::config::{ClientTls, Proxies};

    fn overviews(name: &str, config: &RegistryConfig) -> Vec<EndpointOverview> {
        let reference: Reference = name.parse().unwrap();
        let endpoints = Endpoint::of(reference.repository(), config).unwrap();
        let overviews = endpoints.iter().map(|endpoint| endpoint.overview(config));
        overviews.collect()
    }

    fn verified(credential_host: &str) -> EndpointOverview {
        EndpointOverview {
            root_files: 0,
            has_client_certificate: false,
            skips_verification: false,
            address_ranges: Vec::new(),
            proxy: None,
            credential_host: credential_host.to_owned(),
        }
    }

    /// EP-7: insecure endpoints are limited to the listed ranges, and have no proxy.
    #[test]
    fn address_ranges_have_no_proxy() {
        let proxy = Secret::new("http://proxy.test");
        let config = RegistryConfig {
            insecure: vec!["10.0.0.0/8".to_owned()],
            extra_roots: vec![b"for all hosts".to_vec()],
            proxies: Proxies {
                http: Some(proxy.clone()),
                https: Some(proxy.clone()),
                no_proxy: None,
            },
            ..RegistryConfig::default()
        };
        let in_range = EndpointOverview {
            address_ranges: vec!["10.0.0.0/8".to_owned()],
            ..verified("docker.io")
        };
        let expected = [
            EndpointOverview {
                proxy: Some(proxy),
                ..verified("docker.io")
            },
            EndpointOverview {
                skips_verification: true,
                ..in_range.clone()
            },
            in_range,
        ];
        assert_eq!(overviews("alpine", &config), expected);
        let loopback = overviews("localhost:5000/app", &config);
        assert_eq!(
            loopback,
            [verified("localhost:5000"), verified("localhost:5000")]
        );
    }

    /// Certificates of a host apply to TLS, and a listed host may have any certificate.
    #[test]
    fn certificates_of_the_host_are_included() {
        let tls = ClientTls {
            roots: vec![b"root".to_vec()],
            ..ClientTls::default()
        };
        let config = RegistryConfig {
            insecure: vec!["registry.test".to_owned()],
            certificates: [("registry.test".to_owned(), tls)].into(),
            ..RegistryConfig::default()
        };
        let secure = EndpointOverview {
            root_files: 1,
            skips_verification: true,
            ..verified("registry.test")
        };
        let expected = [secure, verified("registry.test")];
        assert_eq!(overviews("registry.test/app", &config), expected);
    }
}
