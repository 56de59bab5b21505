//! Configuration of connections.

use std::time::Duration;

use crate::secret::Secret;

/// How hosts are connected to. Requests whose configurations are equal may share a
/// [`Transport`](crate::Transport).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionConfig {
    /// Trusted certificates and the client certificate.
    pub tls: ClientTls,
    /// The proxies to use; none by default.
    pub proxies: Proxies,
    /// The time limit for a connection: name resolution, TCP, the proxy and the TLS handshake together.
    pub connect: Duration,
    /// Which addresses may be connected to.
    ///
    /// The check applies to the address itself, immediately before it is connected to, so a name that
    /// resolves to a different address later, or an unusual notation of a literal, cannot bypass it (D4). If
    /// a proxy resolves the name, only address literals are checked. Addresses of proxies are not checked.
    pub address_policy: AddressPolicy,
    /// The HTTP versions offered in the TLS handshake.
    pub versions: HttpVersions,
    /// The `User-Agent` of every request that does not set one.
    pub user_agent: String,
}

/// Trusted certificates and the client certificate of TLS connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientTls {
    /// PEM files with certificates that are trusted in addition to the system's.
    pub roots: Vec<Vec<u8>>,
    /// The client certificate, sent if the origin requests one. It is never sent to a proxy.
    pub identity: Option<ClientIdentity>,
    /// Accept any certificate of the origin. The connection is encrypted, but the peer is not authenticated. The
    /// certificate of a proxy is verified regardless.
    pub skip_verify: bool,
}

/// A client certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientIdentity {
    /// The certificate chain in PEM form, the client's own first.
    pub certificates: Vec<u8>,
    /// The key in PEM form (PKCS#8, PKCS#1 or SEC1, not encrypted).
    pub key: Secret,
}

/// Proxies, as in the usual environment variables. Connections to this machine never use a proxy.
///
/// The schemes are `http://`, `https://`, `socks5://` (names are resolved locally) and `socks5h://` (names
/// are resolved by the proxy). A URL may carry a user name and a password, hence the [`Secret`]. Without a
/// scheme it is `http://`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proxies {
    /// The proxy for `http` URLs.
    pub http: Option<Secret>,
    /// The proxy for `https` URLs.
    pub https: Option<Secret>,
    /// Hosts that are connected to directly, separated by commas: addresses, CIDR ranges, `host` (and its
    /// subdomains), `.domain` (subdomains only), each optionally with `:port`; `*` matches every host.
    pub no_proxy: Option<String>,
}

/// Which addresses may be connected to.
///
/// The check applies to the address itself, immediately before it is connected to, so a name that resolves to
/// a different address later, or an unusual notation of a literal, cannot bypass it (D4). If a proxy resolves
/// the name, only address literals are checked. Addresses of proxies are not checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AddressPolicy {
    /// Every address.
    #[default]
    Any,
    /// No address that is link-local (cloud instance metadata), unspecified or multicast.
    NoLinkLocal,
}

/// The HTTP versions that may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersions {
    /// HTTP/2 if the origin offers it: all requests to an origin share one connection.
    #[default]
    Any,
    /// HTTP/1.1 only: each concurrent request has its own connection.
    Http1,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            tls: ClientTls::default(),
            proxies: Proxies::default(),
            connect: Duration::from_secs(10),
            address_policy: AddressPolicy::default(),
            versions: HttpVersions::default(),
            user_agent: concat!("windlass/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I7.
    #[test]
    fn debug_shows_no_secret() {
        let connection = ConnectionConfig {
            proxies: Proxies {
                https: Some(Secret::new("http://me:hunter2@proxy.test:3128")),
                ..Proxies::default()
            },
            tls: ClientTls {
                identity: Some(ClientIdentity {
                    certificates: Vec::new(),
                    key: Secret::new("hunter2"),
                }),
                ..ClientTls::default()
            },
            ..ConnectionConfig::default()
        };
        assert!(!format!("{connection:?}").contains("hunter2"));
    }
}
