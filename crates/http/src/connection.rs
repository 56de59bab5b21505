//! How places are connected to, as values.

use std::time::Duration;

use crate::secret::Secret;

/// How places are connected to. Who is connected to in equal ways may share a
/// [`Transport`](crate::Transport).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Whom to trust, and whom to be, where TLS is spoken.
    pub tls: ClientTls,
    /// Proxies to go through; none by default.
    pub proxies: Proxies,
    /// How long a connection may take: looking up the name, TCP, the proxy and the TLS handshake together.
    pub connect: Duration,
    /// Which addresses may be dialled.
    pub reach: AddressPolicy,
    /// Which versions of HTTP are spoken, where TLS lets them be agreed upon.
    pub versions: HttpVersions,
    /// The `User-Agent` of every request that does not bring its own.
    pub user_agent: String,
}

/// Whom to trust, and whom to be, on a connection with TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientTls {
    /// PEM files with certificates that are trusted beside the system's.
    pub roots: Vec<Vec<u8>>,
    /// Who this client is, if the origin asks it for a certificate. Proxies are not told.
    pub identity: Option<ClientIdentity>,
    /// Take any certificate of the origin. The connection is still encrypted, with whoever is at its other
    /// end. The certificate of a proxy is looked at all the same.
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

/// Proxies, as the usual environment variables name them. This machine is never reached by one.
///
/// A proxy is `http://`, `https://`, `socks5://` (names are looked up here) or `socks5h://` (by the proxy),
/// with user name and password where it wants them, hence the [`Secret`]. Without a scheme it is `http://`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proxies {
    /// The proxy for `http` URLs.
    pub http: Option<Secret>,
    /// The proxy for `https` URLs.
    pub https: Option<Secret>,
    /// Whom to go to directly, separated by commas: addresses, CIDR ranges, `host` (and what is below it),
    /// `.domain` (only what is below it), each with `:port` if only that is meant; `*` is everybody.
    pub no_proxy: Option<String>,
}

/// Which addresses may be dialled.
///
/// Looked at is the address itself, right before it is dialled, so it does not matter what a name resolved to
/// when, or how a literal is spelled (D4). Where a proxy is asked by name, the proxy dials: then only literals
/// are looked at. The proxies' own addresses are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AddressPolicy {
    /// Every address.
    #[default]
    Any,
    /// None that is link-local (where clouds keep their metadata), unspecified or multicast.
    NoLinkLocal,
}

/// Which versions of HTTP are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersions {
    /// HTTP/2 where the origin offers it: all requests to an origin share one connection.
    #[default]
    Any,
    /// HTTP/1.1 only: requests that run at the same time have a connection each.
    Http1,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            tls: ClientTls::default(),
            proxies: Proxies::default(),
            connect: Duration::from_secs(10),
            reach: AddressPolicy::default(),
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
        let connection = Connection {
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
            ..Connection::default()
        };
        assert!(!format!("{connection:?}").contains("hunter2"));
    }
}
