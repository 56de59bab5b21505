//! The endpoints of a registry and their order.

use url::Url;
use windlass_oci::RepositoryName;

use super::{DOCKER_HUB, Endpoint, EndpointConfig, EndpointError, EndpointRole};
use crate::config::{ClientTls, RegistryConfig};
use crate::hosts::{HostConfig, RegistryHosts};
use crate::origin::Origin;

impl Endpoint {
    /// Returns the endpoints of the registry of `name`, in the order to try them.
    ///
    /// - Configured mirrors come first, for any registry (EP-1, better than EP-2).
    /// - The configured server follows. Without one it is the registry itself: `https://registry-1.docker.io`
    ///   for `docker.io` (EP-1), https on the registry's own host for any other.
    /// - A host listed in [`RegistryConfig::insecure`] is tried with https and any certificate, then with
    ///   plain http (EP-4). This machine is tried with plain http first, because registries on loopback
    ///   rarely have a certificate; then with https, and any certificate unless a CA is configured (EP-7).
    /// - If address ranges are listed and the registry is a name, the name is not resolved here. Instead two
    ///   endpoints follow https: https with any certificate, and plain http. Both connect only to addresses
    ///   within the ranges, without a proxy (EP-7). The check applies to the address that is connected to, so
    ///   a name server cannot bypass the list.
    ///
    /// Fails if the configuration of the registry is invalid (FB-8).
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

    /// Returns the endpoints of the registry itself, without mirrors.
    pub(crate) fn of_server(
        registry: &str,
        config: &RegistryConfig,
    ) -> Result<Vec<Self>, EndpointError> {
        let hosts = config.registries.hosts(registry)?;
        if let Some(server) = &hosts.server {
            let settings = Self::configured(server, hosts.proxies.as_ref())?;
            return Ok(vec![Self::new(settings)]);
        }
        let settings = |scheme: &str| {
            let host = HostConfig::new(own_origin(registry, scheme)?.url().clone());
            let settings = Self::configured(&host, hosts.proxies.as_ref())?;
            // As written in image names, and so in credential files: including port 443 if it is written.
            let credential_host = registry.to_owned();
            Ok::<_, EndpointError>(EndpointConfig {
                credential_host,
                ..settings
            })
        };
        let (secure, plain) = (settings("https")?, settings("http")?);
        if plain.origin.is_loopback() {
            let mut secure = secure;
            secure.tls.skip_verify |= !config.has_roots_for(secure.origin.url());
            return Ok([plain, secure].map(Self::new).into());
        }
        if config.permits_plain_http(plain.origin.url()) {
            return Ok([secure, plain].map(Self::new).into());
        }
        let within = config.insecure_ranges();
        if within.is_empty() || plain.origin.url().domain().is_none() {
            return Ok(vec![Self::new(secure)]);
        }
        let any_certificate = EndpointConfig {
            tls: ClientTls {
                skip_verify: true,
                ..secure.tls.clone()
            },
            within: within.clone(),
            ..secure.clone()
        };
        let plain = EndpointConfig { within, ..plain };
        Ok([secure, any_certificate, plain].map(Self::new).into())
    }
}

fn mirror(
    mirror: &HostConfig,
    hosts: &RegistryHosts,
    registry: &str,
    own: &Origin,
) -> Result<Endpoint, EndpointError> {
    let settings = Endpoint::configured(mirror, hosts.proxies.as_ref())?;
    // A registry that is its own mirror must not get `ns`: it may take it for a part of the name.
    let is_itself = settings.origin.authority() == own.authority();
    Ok(Endpoint::new(EndpointConfig {
        role: EndpointRole::Mirror,
        namespace: (!is_itself).then(|| registry.to_owned()),
        ..settings
    }))
}

/// Returns the default origin of `registry`.
fn own_origin(registry: &str, scheme: &str) -> Result<Origin, EndpointError> {
    let host = match registry {
        "docker.io" => DOCKER_HUB,
        host => host,
    };
    Ok(Origin::parse(&format!("{scheme}://{host}"))?)
}

impl crate::hosts::Registries {
    /// Returns the configuration of `registry`.
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
    /// Returns whether foreign layers may be fetched from `url` (S2-9).
    pub(crate) fn permits_foreign(&self, url: &Url) -> bool {
        let origin = Origin::of(url);
        let allowed = self.foreign_hosts.iter().map(|place| Origin::parse(place));
        allowed.flatten().any(|allowed| allowed == origin)
    }
}
