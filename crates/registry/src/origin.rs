//! Origins: scheme, host and port.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};
use windlass_http::SpecialAddress;
use windlass_oci::text::sanitize;

/// Scheme, host and port of a URL. Credentials are bound to all three (R8), and errors show no other part of
/// a URL.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin(Url);

/// Why a text is not an [`Origin`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid registry address {address}: {reason}")]
pub struct OriginError {
    /// The address, without user information.
    pub address: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Origin {
    /// Parses `http://host[:port]` or `https://host[:port]` (EP-3).
    pub fn parse(address: &str) -> Result<Self, OriginError> {
        let refuse = |reason: &str| OriginError {
            address: without_userinfo(address),
            reason: reason.to_owned(),
        };
        let url = Url::parse(address).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("the scheme must be http or https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it must not contain credentials"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("expected only a host and a port after the scheme"));
        }
        Ok(Self(url))
    }

    /// Returns the origin of `url`, which is `http` or `https`.
    pub fn of(url: &Url) -> Self {
        let mut url = url.clone();
        // Fails for URLs that cannot have credentials.
        let _: Result<(), ()> = url.set_username("");
        let _: Result<(), ()> = url.set_password(None);
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        Self(url)
    }

    /// Returns whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns the host, without port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Returns `host`, or `host:port` if the port is not the default of the scheme.
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// Returns whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.parsed_host();
        host.is_some_and(|host| SpecialAddress::of_host(&host) == Some(SpecialAddress::Loopback))
    }

    pub(crate) fn parsed_host(&self) -> Option<Host<&str>> {
        self.0.host()
    }

    /// Returns the URL, with the path `/`.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(address: &str) -> Result<Self, OriginError> {
        Self::parse(address)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Removes the user information from an address for an error message: it may contain a password.
fn without_userinfo(address: &str) -> String {
    let Some((before, host)) = address.rsplit_once('@') else {
        return sanitize(address).to_string();
    };
    let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
    format!("{}://…@{}", sanitize(scheme), sanitize(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EP-3.
    #[test]
    fn an_origin_is_scheme_host_and_port_only() {
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
            let error = Origin::parse(address).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let origin = Origin::parse("https://A.test:443/").unwrap();
        assert_eq!(origin.to_string(), "https://a.test");
        assert_eq!(origin.authority(), "a.test");
    }

    /// R8: path, query and user information are not part of an origin.
    #[test]
    fn an_origin_of_a_url_has_nothing_else() {
        let url = Url::parse("https://me:hunter2@a.test:444/x?y=hunter2#z").unwrap();
        let origin = Origin::of(&url);
        assert_eq!(origin.to_string(), "https://a.test:444");
        assert_eq!(origin, Origin::parse("https://a.test:444").unwrap());
        assert_ne!(origin, Origin::parse("http://a.test:444").unwrap());
    }
}
