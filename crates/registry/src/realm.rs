//! Checks the token servers that registries name.

use url::Url;
use windlass_http::SpecialAddress;

use crate::config::RegistryConfig;
use crate::endpoint::Endpoint;

/// Why a token realm is not allowed (T25).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RealmError {
    /// It is not an `http` or `https` URL with a host.
    #[error("it is not an http or https URL")]
    NotAUrl,
    /// It contains a user name or a password.
    #[error("it contains credentials")]
    UserInfo,
    /// A registry with TLS names a token server without.
    #[error("a registry on https must name a token server on https")]
    Downgrade,
    /// It uses plain http on a host where that is not allowed.
    #[error("plain http is only for this machine and hosts listed as insecure")]
    PlainHttp,
    /// Its host is an address of this machine or of a private network, and the registry is outside.
    #[error("it points to this machine or the local network, and the registry is not there")]
    InternalAddress,
}

/// Returns the URL of the token server `realm`, if `endpoint` may name it.
///
/// Realms are untrusted data: they have been used to collect credentials and to reach services inside the
/// network of the client (D4).
pub(crate) fn check(
    realm: &str,
    endpoint: &Endpoint,
    config: &RegistryConfig,
) -> Result<Url, RealmError> {
    let url = Url::parse(realm).map_err(|_| RealmError::NotAUrl)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(RealmError::NotAUrl);
    }
    let host = url.host().ok_or(RealmError::NotAUrl)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(RealmError::UserInfo);
    }
    let same_host = endpoint.origin().parsed_host() == Some(host.clone());
    if url.scheme() == "http" {
        if endpoint.is_https() {
            return Err(RealmError::Downgrade);
        }
        if !same_host && !config.permits_plain_http(&url) {
            return Err(RealmError::PlainHttp);
        }
    }
    let is_allowed = match SpecialAddress::of_host(&host) {
        None => true,
        Some(SpecialAddress::Loopback) => same_host || endpoint.is_loopback(),
        Some(SpecialAddress::Private) => {
            same_host || is_internal(endpoint, config) || config.is_listed_insecure(&url)
        }
        Some(
            SpecialAddress::Unspecified | SpecialAddress::LinkLocal | SpecialAddress::Multicast,
        ) => same_host,
    };
    match is_allowed {
        true => Ok(url),
        false => Err(RealmError::InternalAddress),
    }
}

/// Returns whether the registry is inside the network itself: its host is a private address or this machine, or it is
/// listed as insecure. Names are not resolved here.
fn is_internal(endpoint: &Endpoint, config: &RegistryConfig) -> bool {
    let host = endpoint.origin().parsed_host();
    let special = host.and_then(|host| SpecialAddress::of_host(&host));
    matches!(
        special,
        Some(SpecialAddress::Private | SpecialAddress::Loopback)
    ) || config.is_listed_insecure(endpoint.origin().url())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(realm: &str, endpoint: &str) -> Result<(), RealmError> {
        let config = RegistryConfig {
            insecure: vec!["listed.test".to_owned(), "10.9.9.9".to_owned()],
            ..RegistryConfig::default()
        };
        check(realm, &Endpoint::parse(endpoint).unwrap(), &config).map(drop)
    }

    /// T25.
    #[test]
    fn a_registry_with_tls_cannot_name_internal_or_plain_http_realms() {
        use RealmError::{Downgrade, InternalAddress, NotAUrl, UserInfo};
        for (realm, expected) in [
            ("https://auth.test/token?a=b", Ok(())),
            ("https://reg.test:5001/token", Ok(())),
            ("https://8.8.8.8/token", Ok(())),
            ("http://auth.test/token", Err(Downgrade)),
            ("http://reg.test/token", Err(Downgrade)),
            ("http://listed.test/token", Err(Downgrade)),
            ("http://127.0.0.1/token", Err(Downgrade)),
            ("https://169.254.169.254/", Err(InternalAddress)),
            ("https://127.0.0.1:8443/", Err(InternalAddress)),
            ("https://127.1/", Err(InternalAddress)),
            ("https://[::1]/", Err(InternalAddress)),
            ("https://[::ffff:10.0.0.1]/", Err(InternalAddress)),
            ("https://0/", Err(InternalAddress)),
            ("https://10.0.0.1/", Err(InternalAddress)),
            ("https://localhost/", Err(InternalAddress)),
            ("https://auth.test@evil.test/", Err(UserInfo)),
            ("https://:x@evil.test/", Err(UserInfo)),
            ("file:///etc/passwd", Err(NotAUrl)),
            ("ftp://auth.test/", Err(NotAUrl)),
            ("/token", Err(NotAUrl)),
            ("", Err(NotAUrl)),
        ] {
            assert_eq!(verdict(realm, "https://reg.test"), expected, "{realm}");
        }
    }

    /// T25: an internal registry may name its own host, and other hosts of the private network.
    #[test]
    fn a_registry_may_name_its_own_host() {
        use RealmError::{InternalAddress, PlainHttp};
        for (realm, endpoint, expected) in [
            ("https://10.0.0.1:8443/token", "https://10.0.0.1", Ok(())),
            ("https://10.0.0.2/token", "https://10.0.0.1", Ok(())),
            ("https://10.0.0.2/token", "https://127.0.0.1", Ok(())),
            ("https://10.0.0.2/token", "https://listed.test", Ok(())),
            (
                "https://169.254.169.254/token",
                "https://10.0.0.1",
                Err(InternalAddress),
            ),
            (
                "https://127.0.0.1/token",
                "https://10.0.0.1",
                Err(InternalAddress),
            ),
            (
                "http://10.0.0.2/token",
                "http://listed.test",
                Err(PlainHttp),
            ),
            ("http://10.9.9.9/token", "http://listed.test", Ok(())),
            ("https://10.9.9.9/token", "https://reg.test", Ok(())),
            (
                "http://127.0.0.1:5001/token",
                "http://127.0.0.1:5000",
                Ok(()),
            ),
            (
                "http://127.0.0.2:5001/token",
                "http://localhost:5000",
                Ok(()),
            ),
            (
                "http://127.0.0.1:5001/token",
                "http://listed.test",
                Err(InternalAddress),
            ),
            (
                "http://listed.test:5001/token",
                "http://listed.test",
                Ok(()),
            ),
            (
                "http://auth.test/token",
                "http://listed.test",
                Err(PlainHttp),
            ),
            ("https://auth.test/token", "http://listed.test", Ok(())),
            (
                "http://auth.test/token",
                "http://127.0.0.1:5000",
                Err(PlainHttp),
            ),
        ] {
            assert_eq!(
                verdict(realm, endpoint),
                expected,
                "{realm} from {endpoint}"
            );
        }
    }

    /// C21: an `xn--` label that decodes to plain ASCII is not a valid host.
    #[test]
    fn an_invalid_punycode_label_is_rejected() {
        assert_eq!(
            verdict("https://xn--reg-.test/", "https://reg.test"),
            Err(RealmError::NotAUrl)
        );
    }
}
