//! The connections: one transport for all that is connected to in the same way.

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

/// The transports that were made so far. How many there can be is bounded by the configuration: nothing that
/// a registry says becomes part of a [`Plan`].
#[derive(Debug, Default)]
pub(crate) struct Transports(Mutex<HashMap<Plan, Transport>>);

/// How places are connected to, and at which addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    connection: ConnectionConfig,
    /// If not empty: at addresses in these ranges only.
    within: Vec<IpNet>,
}

/// Looks names up, and keeps the addresses in some ranges.
struct Within(Vec<IpNet>);

impl Plan {
    /// Returns how to connect to nobody in particular.
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

    /// Returns how to connect to `endpoint`: as it is configured, and as its host and port are.
    pub(crate) fn endpoint(endpoint: &Endpoint, config: &RegistryConfig) -> Self {
        let way = endpoint.way();
        let mut plan = Self::general(config);
        let connection = &mut plan.connection;
        let general = config.tls_at(way.origin.url());
        connection.tls = way.tls.clone();
        connection.tls.roots.extend(general.roots);
        connection.tls.skip_verify |= general.skip_verify;
        connection.tls.identity = connection.tls.identity.take().or(general.identity);
        connection.connect = way.connect.unwrap_or(connection.connect);
        if let Some(proxies) = &way.proxies {
            connection.proxies = proxies.clone();
        }
        if !way.within.is_empty() {
            connection.proxies = Proxies::default();
            plan.within.clone_from(&way.within);
        }
        plan
    }

    /// Returns how to connect to where a registry leads: by a redirect, as a token server, or in the URL of a
    /// foreign layer.
    ///
    /// A stranger is known by what is configured for its own host and port alone, and is not looked for at
    /// addresses of the link (D4). `proxies` are those of the registry that leads there: its traffic goes one
    /// way.
    pub(crate) fn stranger(url: &Url, proxies: Option<&Proxies>, config: &RegistryConfig) -> Self {
        let mut plan = Self::general(config);
        plan.connection.tls = config.tls_at(url);
        plan.connection.address_policy = AddressPolicy::NoLinkLocal;
        if let Some(proxies) = proxies {
            plan.connection.proxies = proxies.clone();
        }
        plan
    }

    /// Has every request that runs at the same time have a connection of its own.
    pub(crate) fn apart(mut self) -> Self {
        self.connection.versions = HttpVersions::Http1;
        self
    }

    /// Lets it be at addresses of the link, too.
    pub(crate) fn anywhere(mut self) -> Self {
        self.connection.address_policy = AddressPolicy::Any;
        self
    }
}

impl Transports {
    /// Returns the transport for `plan`.
    pub(crate) fn get(&self, plan: Plan) -> Result<Transport, SetupError> {
        let mut transports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transport) = transports.get(&plan) {
            return Ok(transport.clone());
        }
        let transport = if plan.within.is_empty() {
            Transport::new(&plan.connection)?
        } else {
            Transport::with_resolver(&plan.connection, Within(plan.within.clone()))?
        };
        transports.insert(plan, transport.clone());
        Ok(transport)
    }
}

impl NameResolver for Within {
    fn resolve<'a>(&'a self, name: &'a str) -> AddressLookup<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            self.keep(found.map(|address| address.ip()).collect())
        })
    }
}

impl Within {
    fn keep(&self, mut found: Vec<IpAddr>) -> io::Result<Vec<IpAddr>> {
        found.retain(|address| {
            let address = address.to_canonical();
            self.0.iter().any(|range| range.contains(&address))
        });
        if found.is_empty() {
            return Err(io::Error::other(
                "it has no address that is listed as insecure",
            ));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EP-7: what is dialled is what was looked at.
    #[test]
    fn a_name_is_insecure_by_its_addresses() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        let within = Within(vec!["10.1.0.0/16".parse().unwrap()]);
        let (inside, outside) = (parse("10.1.2.3"), parse("10.2.0.1"));
        assert_eq!(within.keep(vec![outside, inside]).unwrap(), [inside]);
        let error = within.keep(vec![outside]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it has no address that is listed as insecure"
        );
    }
}
