//! Proxies: which one a request goes through, and how they are spoken to.

mod direct;
mod socks;
mod tunnel;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::address::SpecialAddress;
use crate::connection::Proxies;
use crate::error::SetupError;
use crate::secret::Secret;
use crate::target::Target;

use direct::Direct;
pub(crate) use socks::ask as ask_socks;
pub(crate) use tunnel::open as open_tunnel;

/// Which requests go through which proxy.
#[derive(Debug)]
pub(crate) struct Routes {
    http: Option<Proxy>,
    https: Option<Proxy>,
    direct: Direct,
}

/// A proxy, and who this client is to it.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    pub(crate) host: Host,
    pub(crate) port: u16,
    credentials: Option<Credentials>,
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In HTTP/1.1, perhaps inside TLS.
    Http { secure: bool },
    /// In SOCKS5; names are looked up here or there.
    Socks { names_here: bool },
}

#[derive(Debug)]
struct Credentials {
    username: Secret,
    password: Secret,
}

impl Routes {
    pub(crate) fn new(proxies: &Proxies) -> Result<Self, SetupError> {
        let parse = |scheme, proxy: &Option<Secret>| {
            proxy
                .as_ref()
                .map(|url| Proxy::parse(url.expose()))
                .transpose()
                .map_err(|reason| SetupError::Proxy { scheme, reason })
        };
        Ok(Self {
            http: parse("http", &proxies.http)?,
            https: parse("https", &proxies.https)?,
            direct: Direct::parse(proxies.no_proxy.as_deref().unwrap_or_default()),
        })
    }

    /// Returns the proxy to `target`, if it is not gone to directly.
    pub(crate) fn to(&self, target: &Target) -> Option<&Proxy> {
        let proxy = if target.secure {
            &self.https
        } else {
            &self.http
        };
        let local = SpecialAddress::of_host(&target.host) == Some(SpecialAddress::Loopback);
        proxy
            .as_ref()
            .filter(|_| !local && !self.direct.contains(target))
    }

    /// Returns the proxy that a request to `target` is sent to as it is: plain http, by an HTTP proxy.
    pub(crate) fn relay(&self, target: &Target) -> Option<&Proxy> {
        self.to(target)
            .filter(|proxy| !target.secure && matches!(proxy.kind, Kind::Http { .. }))
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let url = Url::parse(&whole).map_err(|_| "it is not a URL")?;
        let (kind, port) = match url.scheme() {
            "http" => (Kind::Http { secure: false }, 80),
            "https" => (Kind::Http { secure: true }, 443),
            "socks5" => (Kind::Socks { names_here: true }, 1080),
            "socks5h" => (Kind::Socks { names_here: false }, 1080),
            _ => return Err("its scheme is not http, https, socks5 or socks5h"),
        };
        // Parsed again: in URLs of unknown schemes an address is a name.
        let host = Host::parse(url.host_str().unwrap_or_default()).map_err(|_| "it has no host")?;
        Ok(Self {
            kind,
            host,
            port: url.port().unwrap_or(port),
            credentials: Credentials::of(&url, kind)?,
        })
    }

    /// Returns the value of `Proxy-Authorization` (RFC 7617).
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let Credentials { username, password } = self.credentials.as_ref()?;
        let pair = format!("{}:{}", username.expose(), password.expose());
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
            .expect("base64 is made for headers");
        value.set_sensitive(true);
        Some(value)
    }
}

impl Credentials {
    fn of(url: &Url, kind: Kind) -> Result<Option<Self>, &'static str> {
        let decode = |text| {
            percent_decode_str(text)
                .decode_utf8()
                .map_err(|_| "its credentials are not UTF-8")
        };
        let username = decode(url.username())?;
        let password = decode(url.password().unwrap_or_default())?;
        // RFC 1929 has a byte for each length.
        let longest = username.len().max(password.len());
        if matches!(kind, Kind::Socks { .. }) && longest > 255 {
            return Err("its credentials are longer than SOCKS allows");
        }
        let given = !username.is_empty() || !password.is_empty();
        Ok(given.then(|| Self {
            username: Secret::new(username),
            password: Secret::new(password),
        }))
    }
}

#[cfg(test)]
mod tests;
