//! Proxies and the credentials for them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::secret::Secret;

/// A proxy and the credentials for it.
#[derive(Debug)]
pub(crate) struct ProxyServer {
    pub(crate) protocol: ProxyProtocol,
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(super) credentials: Option<ProxyCredentials>,
}

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyProtocol {
    /// HTTP/1.1, inside TLS if `secure`.
    Http { secure: bool },
    /// SOCKS5. Names are resolved here if `resolves_locally`, otherwise by the proxy.
    Socks { resolves_locally: bool },
}

/// The credentials of a client for a proxy.
#[derive(Debug)]
pub(super) struct ProxyCredentials {
    pub(super) username: Secret,
    pub(super) password: Secret,
}

impl ProxyServer {
    /// Parses the URL of a proxy; `http` is the default scheme.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let url = Url::parse(&whole).map_err(|_| "it is not a URL")?;
        let (protocol, port) = match url.scheme() {
            "http" => (ProxyProtocol::Http { secure: false }, 80),
            "https" => (ProxyProtocol::Http { secure: true }, 443),
            "socks5" => (
                ProxyProtocol::Socks {
                    resolves_locally: true,
                },
                1080,
            ),
            "socks5h" => (
                ProxyProtocol::Socks {
                    resolves_locally: false,
                },
                1080,
            ),
            _ => return Err("its scheme is not http, https, socks5 or socks5h"),
        };
        // Parsed again: in a URL of a scheme that is unknown to `url`, an address literal is a domain.
        let host = Host::parse(url.host_str().unwrap_or_default()).map_err(|_| "it has no host")?;
        Ok(Self {
            protocol,
            host,
            port: url.port().unwrap_or(port),
            credentials: ProxyCredentials::of(&url, protocol)?,
        })
    }

    /// Returns the value of `Proxy-Authorization` (RFC 7617).
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let ProxyCredentials { username, password } = self.credentials.as_ref()?;
        let pair = format!("{}:{}", username.expose(), password.expose());
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
            .expect("base64 is valid in a header");
        value.set_sensitive(true);
        Some(value)
    }
}

impl ProxyCredentials {
    fn of(url: &Url, protocol: ProxyProtocol) -> Result<Option<Self>, &'static str> {
        let decode = |text| {
            percent_decode_str(text)
                .decode_utf8()
                .map_err(|_| "its credentials are not UTF-8")
        };
        let username = decode(url.username())?;
        let password = decode(url.password().unwrap_or_default())?;
        // RFC 1929 stores each length in one byte.
        let longest = username.len().max(password.len());
        if matches!(protocol, ProxyProtocol::Socks { .. }) && longest > 255 {
            return Err("its credentials are longer than SOCKS allows");
        }
        let given = !username.is_empty() || !password.is_empty();
        Ok(given.then(|| Self {
            username: Secret::new(username),
            password: Secret::new(password),
        }))
    }
}
