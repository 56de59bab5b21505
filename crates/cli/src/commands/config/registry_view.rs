//! The hosts of a registry, in the order in which they are tried, and how they are used.

use serde::Serialize;
use windlass::image::RepositoryName;
use windlass::registry::{
    ClientTls, CredentialScope, Endpoint, EndpointRole, HostCapabilities, RegistryConfig,
};
use windlass::text;
use windlass_config::{HostOverview, RegistryOverview, shown_proxy};
use windlass_credentials::{CredentialSource, CredentialStore};

use super::show_target::ShowTarget;
use super::value_origin::ValueOrigin;
use crate::config::CommandSettings;

/// The host of Docker Hub's API. Its credentials are stored for `docker.io`.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// The hosts of a registry.
#[derive(Debug, Serialize)]
pub(super) struct RegistryView {
    /// The name as in references, or `*` for all registries that are not configured.
    pub(super) registry: String,
    /// Where the hosts are configured.
    pub(super) from: ValueOrigin,
    /// Why the registry cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unusable: Option<String>,
    /// The hosts, in the order in which they are tried.
    pub(super) endpoints: Vec<HostView>,
    /// Origins that foreign layers may be fetched from.
    pub(super) foreign_layers: Vec<String>,
    /// The maximum download rate in bytes per second, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit_rate: Option<u64>,
}

/// A host of a registry.
#[derive(Debug, Serialize)]
pub(super) struct HostView {
    pub(super) url: String,
    /// `mirror` or `registry`.
    pub(super) role: &'static str,
    pub(super) capabilities: Vec<&'static str>,
    /// The number of files with CAs that are trusted for this host in addition to all others.
    pub(super) ca: usize,
    pub(super) client_certificate: bool,
    pub(super) skip_verify: bool,
    /// Ranges of addresses. The host is used only if its address is in one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) within: Vec<String>,
    /// The proxy without its password; `null` for a direct connection.
    pub(super) proxy: Option<String>,
    /// The names of configured headers. Their values may be secrets.
    pub(super) headers: Vec<String>,
    /// The time to connect in seconds, if it is not the general one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dial_timeout: Option<f64>,
    /// Where its credentials are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credentials: Option<String>,
    pub(super) from: ValueOrigin,
}

impl RegistryView {
    /// Returns the configured hosts of a registry, without its own host.
    pub(super) fn new(overview: &RegistryOverview) -> Self {
        let endpoints = overview.hosts.iter().map(HostView::configured);
        Self {
            registry: overview.name.clone(),
            from: overview
                .origin
                .as_ref()
                .map_or(ValueOrigin::Default, ValueOrigin::file),
            unusable: overview.unusable.as_ref().map(|causes| causes.join(": ")),
            endpoints: endpoints.collect(),
            foreign_layers: overview.foreign_layers.clone(),
            limit_rate: { overview.limit_rate.as_ref() }
                .and_then(|limit| limit.value.as_u64())
                .filter(|limit| *limit > 0),
        }
    }

    /// Returns all hosts of a registry or repository.
    pub(super) fn of_target(
        target: &ShowTarget,
        settings: &CommandSettings,
        store: &CredentialStore,
    ) -> Self {
        let registry = match target {
            ShowTarget::Registry(host) => host,
            ShowTarget::Repository(name) => name.registry(),
        };
        let config = &settings.pull.registry;
        let overview = settings.configuration.registry_overview(registry);
        let mut view = Self::new(&overview);
        registry.clone_into(&mut view.registry);
        let repository = repository(target);
        let endpoints = match Endpoint::of(&repository, config) {
            Ok(endpoints) => endpoints,
            Err(error) => {
                view.unusable = Some(text::error_chain(&error));
                return view;
            }
        };
        let path = match target {
            ShowTarget::Registry(_) => "",
            ShowTarget::Repository(name) => name.path(),
        };
        let hosts = endpoints.iter().enumerate().map(|(index, endpoint)| {
            let configured = overview.hosts.get(index);
            let mut host = match configured {
                Some(host) => HostView::configured(host),
                None => HostView::own_host(endpoint, &endpoints, config),
            };
            host.add_certificates(endpoint, config);
            // With a proxy, the address of the host would not be in a range, because the proxy resolves it.
            if host.within.is_empty() {
                host.proxy = proxy(endpoint, registry, config);
            }
            let scope = CredentialScope {
                host: match endpoint.origin().authority() {
                    _ if configured.is_none() => registry.to_owned(),
                    DOCKER_HUB => "docker.io".to_owned(),
                    authority => authority.to_owned(),
                },
                repository: path.to_owned(),
            };
            host.credentials = credentials(store, &scope);
            host
        });
        view.endpoints = hosts.collect();
        view
    }
}

impl HostView {
    /// Returns a host from a file.
    fn configured(host: &HostOverview) -> Self {
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
            from: ValueOrigin::file(&host.origin),
        }
    }

    /// Returns the registry's own host, which no file configures.
    fn own_host(endpoint: &Endpoint, all: &[Endpoint], config: &RegistryConfig) -> Self {
        let HostCapabilities { pull, resolve } = endpoint.capabilities();
        let can = [(pull, "pull"), (resolve, "resolve")];
        // A host that may be used without TLS may have any certificate, too. If that depends on its address, there are
        // three endpoints: one as for any other host, and two for the insecure addresses alone.
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
            from: ValueOrigin::Default,
        }
    }

    /// Adds the certificates that are configured for the host and port, for all registries.
    fn add_certificates(&mut self, endpoint: &Endpoint, config: &RegistryConfig) {
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

/// Returns the proxy of the registry, or the general one. Connections to this machine are direct. `NO_PROXY` is not
/// evaluated here.
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

/// Returns where the credentials are stored. They are not read, and no helper is run.
fn credentials(store: &CredentialStore, scope: &CredentialScope) -> Option<String> {
    match store.source_of(scope) {
        Ok(Some(CredentialSource::Entry { place, key })) => Some(format!("{place}, under {key}")),
        Ok(Some(CredentialSource::Helper { name, place, .. })) => {
            Some(format!("docker-credential-{name}, configured in {place}"))
        }
        Ok(None) => None,
        Err(error) => Some(format!("unusable: {}", text::error_chain(&error))),
    }
}

/// Returns a repository in the registry. The hosts are the same for all of them.
fn repository(target: &ShowTarget) -> RepositoryName {
    match target {
        ShowTarget::Repository(name) => name.clone(),
        ShowTarget::Registry(host) => {
            let reference: windlass::image::Reference = format!("{host}/name/name")
                .parse()
                .expect("`ShowTarget::parse` parsed the same text");
            reference.repository().clone()
        }
    }
}
