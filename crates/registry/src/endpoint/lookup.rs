//! Which endpoints answer for a registry, and in which order they are asked.

use url::Url;
use windlass_oci::RepositoryName;

use super::{DOCKER_HUB, Endpoint, EndpointError, EndpointRole, Way};
use crate::config::{ClientTls, RegistryConfig};
use crate::hosts::{HostConfig, RegistryHosts};
use crate::origin::Origin;

impl Endpoint {
    /// Returns the endpoints of the registry that `name` lives in, in the order in which they are asked.
    ///
    /// - Mirrors come first, as they are configured, for any registry (EP-1, better than EP-2).
    /// - Then comes the configured server. Without one it is the registry itself: `docker.io` is answered by
    ///   `https://registry-1.docker.io` (EP-1), any other registry by https on its own host.
    /// - A host that [`RegistryConfig::insecure`] lists is asked by https, whatever its certificate, and then
    ///   by plain http (EP-4); this machine by plain http first, as hardly any registry on loopback has a
    ///   certificate.
    /// - Where ranges of addresses are listed, and the registry has a name, what it resolves to is not looked
    ///   up here: there are two more endpoints behind https, with any certificate and by plain http, that can
    ///   be reached at addresses within these ranges only, without a proxy (EP-7). What is dialled is what
    ///   was looked at, so no answer of a name server can open a way that the list does not.
    ///
    /// A registry whose configuration cannot be used has no endpoint (FB-8).
    pub fn of(name: &RepositoryName, config: &RegistryConfig) -> Result<Vec<Self>, EndpointError> {
        let registry = name.registry();
        let hosts = config.registries.hosts(registry)?;
        let own = own_origin(registry, "https")?;
        let mut endpoints = Vec::new();
        for mirror in &hosts.mirrors {
            endpoints.push(self::mirror(mirror, hosts, registry, &own)?);
        }
        endpoints.extend(Self::of_server(registry, config)?);
        Ok(endpoints)
    }

    /// Returns the endpoints of the registry itself, without its mirrors.
    pub(crate) fn of_server(
        registry: &str,
        config: &RegistryConfig,
    ) -> Result<Vec<Self>, EndpointError> {
        let hosts = config.registries.hosts(registry)?;
        if let Some(server) = &hosts.server {
            let way = Self::configured(server, hosts.proxies.as_ref())?;
            return Ok(vec![Self::new(way)]);
        }
        let way = |scheme: &str| {
            let host = HostConfig::new(own_origin(registry, scheme)?.url().clone());
            let way = Self::configured(&host, hosts.proxies.as_ref())?;
            // As it is written in names, and so in the files of logins: with port 443, if it says so.
            let key = registry.to_owned();
            Ok(Way { key, ..way })
        };
        let (secure, plain) = (way("https")?, way("http")?);
        if plain.origin.is_loopback() {
            return Ok([plain, secure].map(Self::new).into());
        }
        if config.permits_plain_http(plain.origin.url()) {
            return Ok([secure, plain].map(Self::new).into());
        }
        let within = config.insecure_ranges();
        if within.is_empty() || plain.origin.url().domain().is_none() {
            return Ok(vec![Self::new(secure)]);
        }
        let any_certificate = Way {
            tls: ClientTls {
                skip_verify: true,
                ..secure.tls.clone()
            },
            within: within.clone(),
            ..secure.clone()
        };
        let plain = Way { within, ..plain };
        Ok([secure, any_certificate, plain].map(Self::new).into())
    }
}

fn mirror(
    mirror: &HostConfig,
    hosts: &RegistryHosts,
    registry: &str,
    own: &Origin,
) -> Result<Endpoint, EndpointError> {
    let way = Endpoint::configured(mirror, hosts.proxies.as_ref())?;
    // Who is told twice may take it for a part of the name.
    let is_itself = way.origin.authority() == own.authority();
    Ok(Endpoint::new(Way {
        role: EndpointRole::Mirror,
        namespace: (!is_itself).then(|| registry.to_owned()),
        ..way
    }))
}

/// Returns where `registry` is if nothing is configured.
fn own_origin(registry: &str, scheme: &str) -> Result<Origin, EndpointError> {
    let host = match registry {
        "docker.io" => DOCKER_HUB,
        host => host,
    };
    Origin::parse(&format!("{scheme}://{host}"))
}

impl crate::hosts::Registries {
    /// Returns what is said about `registry`.
    pub(crate) fn hosts(&self, registry: &str) -> Result<&RegistryHosts, EndpointError> {
        if let Some(unusable) = self.unusable.get(registry) {
            return Err(EndpointError::Config {
                registry: registry.to_owned(),
                source: unusable.clone(),
            });
        }
        Ok(self.named.get(registry).unwrap_or(&self.default))
    }
}

impl RegistryHosts {
    /// Tells whether foreign layers may be fetched from `url` (S2-9).
    pub(crate) fn permits_foreign(&self, url: &Url) -> bool {
        let origin = Origin::of(url);
        let allowed = self.foreign_hosts.iter().map(|place| Origin::parse(place));
        allowed.flatten().any(|allowed| allowed == origin)
    }
}
