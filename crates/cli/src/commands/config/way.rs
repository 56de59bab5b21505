//! The way to a registry: who is asked, in which order, and how.

use serde::Serialize;
use windlass::{
    ClientTls, CredentialScope, Endpoint, EndpointRole, HostCapabilities, RegistryConfig,
    RepositoryName, text,
};
use windlass_config::{HostOverview, RegistryOverview, shown_proxy};
use windlass_credentials::{CredentialSource, CredentialStore};

use super::Asked;
use super::facts::From;
use crate::config::Settings;

/// Where Docker Hub's API is; its credentials are filed under `docker.io`.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// Who answers for a registry.
#[derive(Debug, Serialize)]
pub(super) struct Way {
    /// As in names, or `*` for all that nothing is said about.
    pub(super) registry: String,
    /// Where it is said who answers.
    pub(super) from: From,
    /// Why it cannot be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unusable: Option<String>,
    /// In the order in which they are asked.
    pub(super) endpoints: Vec<Host>,
    /// Places that foreign layers may be fetched from.
    pub(super) foreign_layers: Vec<String>,
    /// Bytes a second that may come from it, if that is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit_rate: Option<u64>,
}

/// One that is asked.
#[derive(Debug, Serialize)]
pub(super) struct Host {
    pub(super) url: String,
    /// `mirror` or `registry`.
    pub(super) role: &'static str,
    pub(super) capabilities: Vec<&'static str>,
    /// Files with CAs that are trusted for it beside all others.
    pub(super) ca: usize,
    pub(super) client_certificate: bool,
    pub(super) skip_verify: bool,
    /// Ranges of addresses: it is asked only if it has one in these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) within: Vec<String>,
    /// Without what may be secret in it; `null` if it is gone to directly.
    pub(super) proxy: Option<String>,
    /// The names of headers that are sent to it. Their values may be secrets.
    pub(super) headers: Vec<String>,
    /// Seconds, where it has other than everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dial_timeout: Option<f64>,
    /// Where credentials would come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credentials: Option<String>,
    pub(super) from: From,
}

impl Way {
    /// Returns what is said about a registry, without what follows from it.
    pub(super) fn general(overview: &RegistryOverview) -> Self {
        let endpoints = overview.hosts.iter().map(|host| Host {
            credentials: None,
            ..Host::described(host)
        });
        Self {
            registry: overview.name.clone(),
            from: overview.origin.as_ref().map_or(From::Default, From::file),
            unusable: overview.unusable.as_ref().map(|causes| causes.join(": ")),
            endpoints: endpoints.collect(),
            foreign_layers: overview.foreign_layers.clone(),
            limit_rate: { overview.limit_rate.as_ref() }
                .and_then(|limit| limit.value.as_u64())
                .filter(|limit| *limit > 0),
        }
    }

    /// Returns who answers for what was asked about.
    pub(super) fn to(asked: &Asked, settings: &Settings, keys: &CredentialStore) -> Self {
        let registry = match asked {
            Asked::Registry(host) => host,
            Asked::Repository(name) => name.registry(),
        };
        let mut overview = settings.loaded.overview(Some(registry)).registries;
        let overview = overview.remove(0);
        let mut way = Self::general(&overview);
        registry.clone_into(&mut way.registry);
        let repository = repository(asked);
        let endpoints = match Endpoint::of(&repository, &settings.registry) {
            Ok(endpoints) => endpoints,
            Err(error) => {
                way.unusable = Some(text::error_chain(&error));
                return way;
            }
        };
        let path = match asked {
            Asked::Registry(_) => "",
            Asked::Repository(name) => name.path(),
        };
        let described = |place: usize, endpoint: &Endpoint| match overview.hosts.get(place) {
            Some(host) => Host::described(host),
            None => Host::plain(endpoint, &endpoints, &settings.registry),
        };
        let hosts = endpoints.iter().enumerate().map(|(place, endpoint)| {
            let mut host = described(place, endpoint);
            let is_own = overview.hosts.get(place).is_none();
            host.add_general(endpoint, &settings.registry);
            // What a proxy would connect to could not be seen.
            if host.within.is_empty() {
                host.proxy = proxy(endpoint, registry, &settings.registry);
            }
            let door = CredentialScope {
                host: match endpoint.origin().authority() {
                    _ if is_own => registry.to_owned(),
                    DOCKER_HUB => "docker.io".to_owned(),
                    authority => authority.to_owned(),
                },
                repository: path.to_owned(),
            };
            host.credentials = credentials(keys, &door);
            host
        });
        way.endpoints = hosts.collect();
        way
    }
}

impl Host {
    /// A host that a file describes.
    fn described(host: &HostOverview) -> Self {
        Self {
            url: host.url.trim_end_matches('/').to_owned(),
            role: match host.role {
                "mirror" => "mirror",
                _ => "registry",
            },
            capabilities: host.capabilities.clone(),
            ca: host.ca,
            client_certificate: host.client,
            skip_verify: host.skip_verify,
            within: Vec::new(),
            proxy: None,
            headers: host.headers.clone(),
            dial_timeout: host.dial_timeout,
            credentials: None,
            from: From::file(&host.origin),
        }
    }

    /// The registry itself, about which no file says anything.
    fn plain(endpoint: &Endpoint, all: &[Endpoint], config: &RegistryConfig) -> Self {
        let HostCapabilities { pull, resolve } = endpoint.capabilities();
        let can = [(pull, "pull"), (resolve, "resolve")];
        // One that may be spoken to in the clear may have any certificate, too. If that is so only at certain
        // addresses, it is asked as any other first, and then once more in either way, at those alone.
        let same = |other: &&Endpoint| other.role() == EndpointRole::Registry;
        let own: Vec<&Endpoint> = all.iter().filter(same).collect();
        let may_be_insecure = own.iter().any(|own| !own.is_https()) && !endpoint.is_loopback();
        let is_within = own.len() == 3 && own.first() != Some(&endpoint);
        let ranges = config.insecure.iter().filter(|listed| listed.contains('/'));
        Self {
            url: endpoint.origin().to_string(),
            role: match endpoint.role() {
                EndpointRole::Mirror => "mirror",
                EndpointRole::Registry => "registry",
            },
            capabilities: can
                .into_iter()
                .filter_map(|(can, what)| can.then_some(what))
                .collect(),
            ca: 0,
            client_certificate: false,
            skip_verify: endpoint.is_https() && may_be_insecure && (own.len() < 3 || is_within),
            within: ranges.filter(|_| is_within).cloned().collect(),
            proxy: None,
            headers: Vec::new(),
            dial_timeout: None,
            credentials: None,
            from: From::Default,
        }
    }

    /// Adds what holds for its host and port, whoever it answers for.
    fn add_general(&mut self, endpoint: &Endpoint, config: &RegistryConfig) {
        if let Some(tls) = certificates(endpoint, config) {
            self.ca += tls.roots.len();
            self.client_certificate |= tls.identity.is_some();
            self.skip_verify |= tls.skip_verify;
        }
    }
}

fn certificates<'a>(endpoint: &Endpoint, config: &'a RegistryConfig) -> Option<&'a ClientTls> {
    if !endpoint.is_https() {
        return None;
    }
    let authority = endpoint.origin().authority();
    let with_port = config.certificates.get(&format!("{authority}:443"));
    with_port.or_else(|| config.certificates.get(authority))
}

/// The registry's own proxies, or everybody's. This machine is gone to directly. Whether `NO_PROXY` names the
/// host is not looked at here.
fn proxy(endpoint: &Endpoint, registry: &str, config: &RegistryConfig) -> Option<String> {
    if endpoint.is_loopback() {
        return None;
    }
    let hosts = config.registries.named.get(registry);
    let hosts = hosts.unwrap_or(&config.registries.default);
    let proxies = hosts.proxies.as_ref().unwrap_or(&config.proxies);
    let proxy = match endpoint.is_https() {
        true => &proxies.https,
        false => &proxies.http,
    };
    proxy.as_ref().map(shown_proxy)
}

/// Where they would come from; what they are stays where it is, and no helper is run.
fn credentials(keys: &CredentialStore, door: &CredentialScope) -> Option<String> {
    match keys.source_of(door) {
        Ok(Some(CredentialSource::Entry { place, key })) => Some(format!("{place}, under {key}")),
        Ok(Some(CredentialSource::Helper { name, place, .. })) => {
            Some(format!("docker-credential-{name}, which {place} names"))
        }
        Ok(None) => None,
        Err(error) => Some(format!("unusable: {}", text::error_chain(&error))),
    }
}

/// A repository in the registry, which decides alone who answers.
fn repository(asked: &Asked) -> RepositoryName {
    match asked {
        Asked::Repository(name) => name.clone(),
        Asked::Registry(host) => {
            let reference: windlass::Reference = format!("{host}/name/name")
                .parse()
                .expect("it was parsed with this name before");
            reference.repository().clone()
        }
    }
}
