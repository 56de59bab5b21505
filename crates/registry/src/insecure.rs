//! Hosts that may be used without TLS, or with any certificate (EP-7).

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};
use windlass_http::{ClientTls, SpecialAddress};

use crate::config::RegistryConfig;

impl RegistryConfig {
    /// Returns whether the host of `url` may be used without TLS: this machine and listed hosts.
    pub(crate) fn permits_plain_http(&self, url: &Url) -> bool {
        let is_loopback = |host| SpecialAddress::of_host(&host) == Some(SpecialAddress::Loopback);
        url.host().is_some_and(is_loopback) || self.is_listed_insecure(url)
    }

    /// Returns whether the host of `url` is listed, by name or by a range that contains its address. Names
    /// are not resolved here.
    pub(crate) fn is_listed_insecure(&self, url: &Url) -> bool {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        let in_range = |address: IpAddr| {
            let mut ranges = self.insecure_ranges().into_iter();
            ranges.any(|range| range.contains(&address.to_canonical()) || range.contains(&address))
        };
        address.is_some_and(in_range)
            || self.insecure.iter().any(|listed| matches_host(listed, url))
    }

    /// Returns the listed address ranges.
    pub(crate) fn insecure_ranges(&self) -> Vec<IpNet> {
        let ranges = self.insecure.iter().map(|listed| listed.trim().parse());
        ranges.flatten().collect()
    }

    /// Returns the TLS settings for `url`: those of its host and port, and the general ones. They apply to
    /// insecure hosts as well (better than EP-11), whose certificate need not be valid.
    pub(crate) fn tls_at(&self, url: &Url) -> ClientTls {
        let mut tls = self.certificates_at(url).cloned().unwrap_or_default();
        tls.roots.extend_from_slice(&self.extra_roots);
        tls.skip_verify |= self.is_listed_insecure(url);
        tls
    }

    /// Returns whether a CA is configured that may have signed the certificate of the host of `url`.
    pub(crate) fn has_roots_for(&self, url: &Url) -> bool {
        let has_own = |tls: &ClientTls| !tls.roots.is_empty();
        !self.extra_roots.is_empty() || self.certificates_at(url).is_some_and(has_own)
    }

    /// Returns the TLS settings of the host and port (EP-10).
    fn certificates_at(&self, url: &Url) -> Option<&ClientTls> {
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        let with_port = self.certificates.get(&format!("{host}:{port}"));
        with_port.or_else(|| self.certificates.get(url.authority()))
    }
}

/// Returns whether `listed` is the host of `url`; without a port it matches any.
fn matches_host(listed: &str, url: &Url) -> bool {
    let Ok(listed_url) = Url::parse(&format!("{}://{listed}", url.scheme())) else {
        return false;
    };
    let any_port = listed_url.port().is_none() && !has_port(listed);
    listed_url.path() == "/"
        && listed_url.host() == url.host()
        && (any_port || listed_url.port_or_known_default() == url.port_or_known_default())
}

/// Returns whether `authority` ends in a port; `Url` removes the default port of the scheme.
fn has_port(authority: &str) -> bool {
    authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit()))
        && !authority.ends_with(']')
        && (authority.starts_with('[') || authority.matches(':').count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(insecure: &[&str]) -> RegistryConfig {
        RegistryConfig {
            insecure: insecure.iter().map(ToString::to_string).collect(),
            ..RegistryConfig::default()
        }
    }

    /// EP-7.
    #[test]
    fn plain_http_is_for_this_machine_and_listed_hosts() {
        let config = config(&[
            "registry.test",
            "other.test:5000",
            "third.test:80",
            "[fd00::1]:5000",
            "10.1.0.0/16",
            "fd01::/64",
            "garbage/16",
        ]);
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
            ("http://10.1.2.3:5000/", true),
            ("http://[::ffff:10.1.2.3]/", true),
            ("http://10.2.0.1/", false),
            ("http://[fd01::7]/", true),
            ("http://[fd01:0:0:1::7]/", false),
            ("http://garbage/", false),
            ("http://registry.test.evil.test/", false),
            ("http://10.0.0.1/", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(config.permits_plain_http(&url), expected, "{url}");
        }
    }

    /// EP-10, EP-11: TLS settings are looked up by host and port, for insecure hosts as well.
    #[test]
    fn certificates_are_for_one_host_and_port() {
        let tls = |root: &str| ClientTls {
            roots: vec![root.into()],
            ..ClientTls::default()
        };
        let config = RegistryConfig {
            certificates: [
                ("a.test".to_owned(), tls("a")),
                ("b.test:5000".to_owned(), tls("b")),
                ("c.test:443".to_owned(), tls("c")),
            ]
            .into(),
            extra_roots: vec!["all".into()],
            ..config(&["b.test:5000"])
        };
        for (url, roots, skip_verify) in [
            ("https://a.test/", vec!["a", "all"], false),
            ("https://a.test:5000/", vec!["all"], false),
            ("https://b.test:5000/", vec!["b", "all"], true),
            ("https://b.test/", vec!["all"], false),
            ("https://c.test/", vec!["c", "all"], false),
            ("https://localhost:5000/", vec!["all"], false),
        ] {
            let tls = config.tls_at(&Url::parse(url).unwrap());
            let roots: Vec<Vec<u8>> = roots.into_iter().map(Into::into).collect();
            assert_eq!((tls.roots, tls.skip_verify), (roots, skip_verify), "{url}");
        }
    }
}
