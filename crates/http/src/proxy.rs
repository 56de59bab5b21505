//! Selects the proxy of a request.

mod no_proxy;
mod server;
mod socks;
mod tunnel;

use crate::address::SpecialAddress;
use crate::connection::Proxies;
use crate::error::SetupError;
use crate::secret::Secret;
use crate::target::TargetOrigin;

use no_proxy::NoProxyList;
pub(crate) use server::{ProxyProtocol, ProxyServer};
pub(crate) use socks::connect as connect_socks;
pub(crate) use tunnel::open as open_tunnel;

/// The proxies by scheme, and the hosts that are connected to directly.
#[derive(Debug)]
pub(crate) struct ProxyRoutes {
    http: Option<ProxyServer>,
    https: Option<ProxyServer>,
    direct: NoProxyList,
}

impl ProxyRoutes {
    pub(crate) fn new(proxies: &Proxies) -> Result<Self, SetupError> {
        let parse = |scheme, proxy: &Option<Secret>| {
            proxy
                .as_ref()
                .map(|url| ProxyServer::parse(url.expose()))
                .transpose()
                .map_err(|reason| SetupError::Proxy { scheme, reason })
        };
        Ok(Self {
            http: parse("http", &proxies.http)?,
            https: parse("https", &proxies.https)?,
            direct: NoProxyList::parse(proxies.no_proxy.as_deref().unwrap_or_default()),
        })
    }

    /// Returns the proxy for `target`, or `None` for a direct connection.
    pub(crate) fn proxy_for(&self, target: &TargetOrigin) -> Option<&ProxyServer> {
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

    /// Returns the HTTP proxy that relays a request to `target`, which only plain http uses.
    pub(crate) fn relay_for(&self, target: &TargetOrigin) -> Option<&ProxyServer> {
        self.proxy_for(target)
            .filter(|proxy| !target.secure && matches!(proxy.protocol, ProxyProtocol::Http { .. }))
    }
}

#[cfg(test)]
mod tests;
