//! The hosts of a registry, in the order in which they are tried, and how they are used.

use serde::Serialize;
use windlass::registry::{
    CredentialScope, Endpoint, EndpointOverview, EndpointRole, HostCapabilities,
};
use windlass::text;
use windlass_config::{HostOverview, HostRole, RegistryOverview, shown_proxy};
use windlass_credentials::{CredentialSource, CredentialStore};

use super::show_target::ShowTarget;
use super::value_origin::ValueOrigin;
use crate::config::CommandSettings;

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
        let limit_rate = overview.limit_rate.as_ref();
        let limit_rate = limit_rate.and_then(|limit| limit.value.as_u64());
        Self {
            registry: overview.name.clone(),
            from: overview
                .origin
                .as_ref()
                .map_or(ValueOrigin::Default, ValueOrigin::file),
            unusable: overview.unusable.as_ref().map(|causes| causes.join(": ")),
            endpoints: endpoints.collect(),
            foreign_layers: overview.foreign_layers.clone(),
            limit_rate: limit_rate.filter(|limit| *limit > 0),
        }
    }

    /// Returns all hosts of a registry or repository.
    pub(super) fn of_target(
        target: &ShowTarget,
        settings: &CommandSettings,
        store: &CredentialStore,
    ) -> Self {
        let registry = target.repository().registry();
        let config = &settings.pull.registry;
        let overview = settings.configuration.registry_overview(registry);
        let mut view = Self::new(&overview);
        registry.clone_into(&mut view.registry);
        let endpoints = match Endpoint::of(target.repository(), config) {
            Ok(endpoints) => endpoints,
            Err(error) => {
                view.unusable = Some(text::error_chain(&error));
                return view;
            }
        };
        let hosts = endpoints.iter().enumerate().map(|(index, endpoint)| {
            let host = match overview.hosts.get(index) {
                Some(host) => HostView::configured(host),
                None => HostView::own_host(endpoint),
            };
            let EndpointOverview {
                root_files,
                has_client_certificate,
                skips_verification,
                address_ranges,
                proxy,
                credential_host,
            } = endpoint.overview(config);
            let scope = CredentialScope {
                host: credential_host,
                repository: target.path().to_owned(),
            };
            HostView {
                ca: root_files,
                client_certificate: has_client_certificate,
                skip_verify: skips_verification,
                within: address_ranges,
                proxy: proxy.as_ref().map(shown_proxy),
                credentials: credentials_text(store, &scope),
                ..host
            }
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
                HostRole::Mirror => "mirror",
                HostRole::Server => "registry",
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
    fn own_host(endpoint: &Endpoint) -> Self {
        let HostCapabilities { pull, resolve } = endpoint.capabilities();
        let can = [(pull, "pull"), (resolve, "resolve")].into_iter();
        Self {
            url: endpoint.origin().to_string(),
            role: match endpoint.role() {
                EndpointRole::Mirror => "mirror",
                EndpointRole::Registry => "registry",
            },
            capabilities: can.filter_map(|(can, what)| can.then_some(what)).collect(),
            ca: 0,
            client_certificate: false,
            skip_verify: false,
            within: Vec::new(),
            proxy: None,
            headers: Vec::new(),
            dial_timeout: None,
            credentials: None,
            from: ValueOrigin::Default,
        }
    }
}

/// Returns where the credentials are stored. They are not read, and no helper is run.
fn credentials_text(store: &CredentialStore, scope: &CredentialScope) -> Option<String> {
    match store.source_of(scope) {
        Ok(Some(CredentialSource::Entry { place, key })) => Some(format!("{place}, under {key}")),
        Ok(Some(CredentialSource::Helper { name, place, .. })) => {
            Some(format!("docker-credential-{name}, configured in {place}"))
        }
        Ok(None) => None,
        Err(error) => Some(format!("unusable: {}", text::error_chain(&error))),
    }
}
