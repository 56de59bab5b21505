//! The transports: one for each distinct connection configuration.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use ipnet::IpNet;
use url::Url;
use windlass_http::{
    AddressLookup, AddressPolicy, ConnectionConfig, HttpVersions, NameResolver, Proxies,
    SetupError, Transport,
};

use crate::config::RegistryConfig;
use crate::endpoint::Endpoint;

/// The transports created so far. Their number is bounded by the configuration: nothing that a registry sends
/// becomes part of a [`TransportKey`].
#[derive(Debug, Default)]
pub(crate) struct TransportPool(Mutex<HashMap<TransportKey, Transport>>);

/// A connection configuration and the permitted address ranges.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TransportKey {
    pub(crate) connection: ConnectionConfig,
    /// If not empty, only addresses in these ranges are connected to.
    pub(crate) within: Vec<IpNet>,
}

/// Resolves names and keeps the addresses within some ranges.
struct RangeResolver(Vec<IpNet>);

impl TransportKey {
    /// Returns the general configuration.
    pub(crate) fn general(config: &RegistryConfig) -> Self {
        Self {
            connection: ConnectionConfig {
                tls: crate::config::ClientTls {
                    roots: config.extra_roots.clone(),
                    ..crate::config::ClientTls::default()
                },
                proxies: config.proxies.clone(),
                connect: config.timeouts.connect,
                address_policy: AddressPolicy::Any,
                versions: HttpVersions::Any,
                user_agent: config.user_agent.clone(),
            },
            within: Vec::new(),
        }
    }

    /// Returns the configuration for `endpoint`: its own, and that of its host and port.
    pub(crate) fn endpoint(endpoint: &Endpoint, config: &RegistryConfig) -> Self {
        let settings = endpoint.settings();
        let mut key = Self::general(config);
        let connection = &mut key.connection;
        let general = config.tls_at(settings.origin.url());
        connection.tls = settings.tls.clone();
        connection.tls.roots.extend(general.roots);
        connection.tls.skip_verify |= general.skip_verify;
        connection.tls.identity = connection.tls.identity.take().or(general.identity);
        connection.connect = settings.connect.unwrap_or(connection.connect);
        if let Some(proxies) = &settings.proxies {
            connection.proxies = proxies.clone();
        }
        if !settings.within.is_empty() {
            connection.proxies = Proxies::default();
            key.within.clone_from(&settings.within);
        }
        key
    }

    /// Returns the configuration for a host that a registry leads to: by a redirect, as a token server, or in
    /// the URL of a foreign layer.
    ///
    /// Only the TLS settings of that host and port apply, and link-local addresses are rejected (D4).
    /// `proxies` are those of the registry, so that all of its traffic uses the same ones.
    pub(crate) fn unknown_host(
        url: &Url,
        proxies: Option<&Proxies>,
        config: &RegistryConfig,
    ) -> Self {
        let mut key = Self::general(config);
        key.connection.tls = config.tls_at(url);
        key.connection.address_policy = AddressPolicy::NoLinkLocal;
        if let Some(proxies) = proxies {
            key.connection.proxies = proxies.clone();
        }
        key
    }

    /// Gives each concurrent request a connection of its own.
    pub(crate) fn with_http1_only(mut self) -> Self {
        self.connection.versions = HttpVersions::Http1;
        self
    }

    /// Permits link-local addresses.
    pub(crate) fn with_any_address(mut self) -> Self {
        self.connection.address_policy = AddressPolicy::Any;
        self
    }
}

impl TransportPool {
    /// Returns the transport for `key`, creating it if needed.
    pub(crate) fn get(&self, key: TransportKey) -> Result<Transport, SetupError> {
        let mut transports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transport) = transports.get(&key) {
            return Ok(transport.clone());
        }
        let transport = if key.within.is_empty() {
            Transport::new(&key.connection)?
        } else {
            Transport::with_resolver(&key.connection, RangeResolver(key.within.clone()))?
        };
        transports.insert(key, transport.clone());
        Ok(transport)
    }
}

impl NameResolver for RangeResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> AddressLookup<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            self.keep(found.map(|address| address.ip()).collect())
        })
    }
}

impl RangeResolver {
    fn keep(&self, mut found: Vec<IpAddr>) -> io::Result<Vec<IpAddr>> {
        found.retain(|address| {
            let address = address.to_canonical();
            self.0.iter().any(|range| range.contains(&address))
        });
        if found.is_empty() {
            return Err(io::Error::other(
                "none of its addresses is listed as insecure",
            ));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EP-7: the ranges apply to the address that is connected to.
    #[test]
    fn a_name_is_insecure_by_its_addresses() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        let within = RangeResolver(vec!["10.1.0.0/16".parse().unwrap()]);
        let (inside, outside) = (parse("10.1.2.3"), parse("10.2.0.1"));
        assert_eq!(within.keep(vec![outside, inside]).unwrap(), [inside]);
        let error = within.keep(vec![outside]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "none of its addresses is listed as insecure"
        );
    }
}
