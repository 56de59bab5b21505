//! Merges the content of all files.
//!
//! A `windlass.toml` overrides a `hosts.toml`, and that a `daemon.json` (the daemon's own before Docker's). The hosts of a
//! registry come from the first file that names the registry or, if none does, from the first one that is for all
//! registries: lists of mirrors from several files are never mixed. Certificates add up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use windlass_oci::DEFAULT_REGISTRY;
use windlass_registry::{ClientTls, Endpoint, HostConfig, InvalidConfig, Proxies, RegistryConfig};

use crate::address;
use crate::certs_dirs::{CertsDirScan, EndpointCertificates};
use crate::configuration::Configuration;
use crate::daemon_json::DaemonJson;
use crate::error::ConfigError;
use crate::hosts_toml::{ConfiguredHosts, ServerHost};
use crate::registry_settings::RegistrySettings;
use crate::settings::{RootCertificates, Settings};
use crate::source::{FileLocation, Finding, Setting, SourceFile, SourceState};
use crate::windlass_toml::{ANY_REGISTRY, RegistryTable, WindlassToml};

/// Merges the content of all files.
pub(crate) fn merge(
    windlass_toml: WindlassToml,
    scan: CertsDirScan,
    daemon_json: DaemonJson,
    sources: Vec<SourceFile>,
    findings: Vec<Finding>,
) -> Result<Configuration, ConfigError> {
    let mut merged = Configuration {
        settings: windlass_toml.settings.over(daemon_json.settings),
        sources,
        findings,
        ..Configuration::default()
    };
    add_roots(&mut merged.settings, scan.roots);
    let mut merge = RegistryMerge {
        merged: &mut merged,
        hosts: scan.hosts,
        default: scan.default,
        not_default: scan.not_default,
        certificates: scan.certificates,
        hub: daemon_json.mirrors.map(hub_hosts),
        default_proxies: None,
    };
    merge.merge_registries(windlass_toml.registries)?;
    Ok(merged)
}

/// Adds the root certificates for all hosts that are in directories.
fn add_roots(settings: &mut Settings, roots: Vec<RootCertificates>) {
    let Some(first) = roots.first() else { return };
    let origin = FileLocation::file(&first.path);
    let ca = settings
        .ca
        .get_or_insert_with(|| Setting::new(Vec::new(), origin));
    ca.value.extend(roots);
}

/// The hosts and certificates of registries while they are merged. What is merged already is taken out.
struct RegistryMerge<'a> {
    merged: &'a mut Configuration,
    hosts: BTreeMap<String, Result<ConfiguredHosts, ConfigError>>,
    default: Option<ConfiguredHosts>,
    not_default: BTreeSet<String>,
    certificates: BTreeMap<String, EndpointCertificates>,
    hub: Option<ConfiguredHosts>,
    /// The proxies for all registries in a `windlass.toml`, which count wherever the hosts come from.
    default_proxies: Option<Setting<Proxies>>,
}

impl RegistryMerge<'_> {
    fn merge_registries(
        &mut self,
        mut tables: BTreeMap<String, RegistryTable>,
    ) -> Result<(), ConfigError> {
        for (name, registry) in &mut tables {
            if let Ok(url) = address::own_host(name) {
                self.add_own_certificates(address::authority(&url), registry);
            }
        }
        self.certificates
            .retain(|_, certificates| certificates.is_configured());

        let any_registry = tables.remove(ANY_REGISTRY).unwrap_or_default();
        let own_default = any_registry.hosts.transpose()?;
        let is_default_from_directory = own_default.is_none() && self.default.is_some();
        let default = match own_default {
            Some(hosts) => {
                self.mark_default_overridden();
                hosts
            }
            None => self.default.take().unwrap_or_default(),
        };
        self.default_proxies.clone_from(&any_registry.proxies);
        self.merged.default =
            registry_settings(default, any_registry.proxies, any_registry.foreign_hosts);
        self.reject_broken_default()?;

        let mut names: BTreeSet<String> = tables.keys().cloned().collect();
        names.extend(self.hosts.keys().cloned());
        names.extend(self.hub.as_ref().map(|_| DEFAULT_REGISTRY.to_owned()));
        if is_default_from_directory {
            names.append(&mut self.not_default.clone());
        }
        for name in names {
            let table = tables.remove(&name).unwrap_or_default();
            self.merge_registry(name, table, is_default_from_directory);
        }
        self.mark_broken_unusable();
        let certificates = std::mem::take(&mut self.certificates);
        for (endpoint, certificates) in certificates {
            self.merged.findings.extend(certificates.findings);
            let origins = certificates.origins;
            if certificates.tls != ClientTls::default() {
                self.merged
                    .certificates
                    .insert(endpoint.clone(), certificates.tls);
                self.merged.certificate_origins.insert(endpoint, origins);
            }
        }
        Ok(())
    }

    /// Adds the certificates of a registry's own host in a `windlass.toml`, which go before those in directories.
    fn add_own_certificates(&mut self, endpoint: String, registry: &mut RegistryTable) {
        let mut certificates = EndpointCertificates::default();
        for read in registry.certificates.drain(..) {
            add_certificates(&mut certificates, read);
        }
        if let Some(Setting {
            value: true,
            origin,
        }) = &registry.skip_verify
        {
            let tls = ClientTls {
                skip_verify: true,
                ..ClientTls::default()
            };
            certificates.add(Ok(tls), origin.clone());
        }
        if let Some(scanned) = self.certificates.remove(&endpoint) {
            certificates.append(scanned);
        }
        self.certificates.insert(endpoint, certificates);
    }

    /// Merges the configuration of the registry `name`.
    fn merge_registry(
        &mut self,
        name: String,
        table: RegistryTable,
        is_default_from_directory: bool,
    ) {
        let scanned = self.hosts.remove(&name);
        let hub = match name == DEFAULT_REGISTRY {
            true => self.hub.take(),
            false => None,
        };
        let mut hosts = match (table.hosts, scanned) {
            (Some(hosts), ignored) => {
                self.mark_overridden(ignored.as_ref());
                Some(hosts)
            }
            (None, Some(hosts)) => Some(hosts),
            (None, None) => hub.map(Ok),
        };
        if let Some(Ok(decided)) = &mut hosts
            && let Err(error) = self.merge_own_host(&name, decided, table.skip_verify.as_ref())
        {
            hosts = Some(Err(error));
        }
        let default = &self.merged.default;
        let mut decided = match hosts {
            Some(Ok(hosts)) => registry_settings(hosts, None, None),
            Some(Err(error)) => {
                let unusable = InvalidConfig::new(error);
                self.merged.unusable.insert(name.clone(), unusable);
                RegistrySettings::default()
            }
            None if is_default_from_directory && self.not_default.contains(&name) => {
                RegistrySettings::default()
            }
            None => default.clone(),
        };
        let default_proxies = self.default_proxies.clone();
        decided.proxies = table.proxies.or(decided.proxies).or(default_proxies);
        decided.foreign_hosts = table.foreign_hosts.or(default.foreign_hosts.clone());
        decided.limit_rate = table.limit_rate;
        self.merged.registries.insert(name, decided);
    }

    /// Merges the configuration of the registry's own host, if it is the server in `hosts`.
    ///
    /// A `skip-verify = false` in a `windlass.toml` has priority. If the host may be used without TLS and the file does not
    /// have its address, that does not change (EP-4): its certificates count for the host in general, and any other key
    /// is an error.
    fn merge_own_host(
        &mut self,
        name: &str,
        hosts: &mut ConfiguredHosts,
        skip_verify: Option<&Setting<bool>>,
    ) -> Result<(), ConfigError> {
        let Ok(own) = address::own_host(name) else {
            return Ok(());
        };
        let Some(server) = &mut hosts.server else {
            return Ok(());
        };
        let tls = &mut server.host.value.tls;
        let endpoint = address::authority(&own);
        if let Some(Setting { value: false, .. }) = skip_verify
            && address::authority(&server.host.value.url) == endpoint
        {
            tls.skip_verify = false;
        }
        let Some(error) = server.scheme_error.take_if(|_| self.may_be_insecure(name)) else {
            return Ok(());
        };
        if server.has_keys_beside_certificates() {
            return Err(error);
        }
        let certificates = self.certificates.entry(endpoint).or_default();
        let origin = server.host.origin.clone();
        certificates.add(Ok(std::mem::take(&mut server.host.value.tls)), origin);
        hosts.server = None;
        Ok(())
    }

    /// Returns whether the registry's own host is used with plain HTTP, too, if it has no configuration.
    ///
    /// Ranges of insecure addresses do not count, because the address of the host is not resolved here.
    fn may_be_insecure(&self, name: &str) -> bool {
        let Ok(repository) = format!("{name}/name/name").parse() else {
            return false;
        };
        let config = RegistryConfig {
            insecure: self
                .merged
                .settings
                .insecure_registries
                .iter()
                .flat_map(|setting| setting.value.clone())
                .collect(),
            ..RegistryConfig::default()
        };
        let endpoints = Endpoint::of(&repository, &config).unwrap_or_default();
        matches!(&*endpoints, [one, other] if one.is_https() != other.is_https())
    }

    /// Records that a `hosts.toml` was read and is overridden.
    fn mark_overridden(&mut self, hosts: Option<&Result<ConfiguredHosts, ConfigError>>) {
        match hosts {
            None => {}
            Some(Ok(hosts)) => {
                let path = hosts.origin.as_ref().map(|origin| origin.path.clone());
                self.mark_source_overridden(path.as_deref());
            }
            Some(Err(error)) => {
                self.merged.findings.push(Finding::broken(error));
                let path = error.path.clone();
                self.mark_source_overridden(Some(&path));
            }
        }
    }

    fn mark_default_overridden(&mut self) {
        let path = self.default.as_ref().and_then(|hosts| hosts.origin.clone());
        self.mark_source_overridden(path.as_ref().map(|origin| &*origin.path));
    }

    fn mark_source_overridden(&mut self, path: Option<&Path>) {
        let sources = self.merged.sources.iter_mut();
        for source in sources.filter(|source| Some(&*source.path) == path) {
            source.state = SourceState::Ignored;
        }
    }

    /// Returns an error if a host of the general configuration has invalid certificates.
    fn reject_broken_default(&mut self) -> Result<(), ConfigError> {
        for endpoint in endpoints(&self.merged.default) {
            let certificates = self.certificates.get_mut(&endpoint);
            if let Some(error) = certificates.and_then(|found| found.broken.take()) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes the registries unusable that have a host with invalid certificates.
    fn mark_broken_unusable(&mut self) {
        for (endpoint, certificates) in &mut self.certificates {
            let Some(error) = certificates.broken.take() else {
                continue;
            };
            let unusable = InvalidConfig::new(error);
            for (name, settings) in &self.merged.registries {
                if endpoints(settings).contains(endpoint) {
                    let entry = self.merged.unusable.entry(name.clone());
                    entry.or_insert_with(|| unusable.clone());
                }
            }
            for name in registries_at(endpoint, &certificates.registries) {
                let replaced = self
                    .merged
                    .registries
                    .get(&name)
                    .is_some_and(|settings| settings.server.is_some());
                if !replaced {
                    let entry = self.merged.unusable.entry(name);
                    entry.or_insert_with(|| unusable.clone());
                }
            }
        }
    }
}

impl EndpointCertificates {
    fn is_configured(&self) -> bool {
        self.broken.is_some() || self.tls != ClientTls::default()
    }
}

impl ServerHost {
    fn has_keys_beside_certificates(&self) -> bool {
        let host = &self.host.value;
        let usual = HostConfig::new(host.url.clone());
        !host.headers.is_empty()
            || host.connect.is_some()
            || host.override_path
            || host.capabilities != usual.capabilities
    }
}

fn add_certificates(
    certificates: &mut EndpointCertificates,
    read: Result<Setting<ClientTls>, ConfigError>,
) {
    match read {
        Ok(setting) => certificates.add(Ok(setting.value), setting.origin),
        Err(error) => {
            let origin = FileLocation::file(&error.path);
            certificates.add(Err(error), origin);
        }
    }
}

fn registry_settings(
    hosts: ConfiguredHosts,
    proxies: Option<Setting<Proxies>>,
    foreign_hosts: Option<Setting<Vec<String>>>,
) -> RegistrySettings {
    RegistrySettings {
        mirrors: hosts.mirrors,
        server: hosts.server.map(|server| server.host),
        hosts_from: hosts.origin,
        proxies: proxies.or(hosts.proxies),
        foreign_hosts,
        limit_rate: None,
    }
}

/// Returns the hosts of Docker Hub with the `registry-mirrors` of a `daemon.json` (EP-1, EP-2).
fn hub_hosts(mirrors: Setting<Vec<url::Url>>) -> ConfiguredHosts {
    let Setting { value, origin } = mirrors;
    let mirrors = value.into_iter();
    ConfiguredHosts {
        mirrors: mirrors
            .map(|url| Setting::new(HostConfig::new(url), origin.clone()))
            .collect(),
        origin: Some(origin.clone()),
        ..ConfiguredHosts::default()
    }
}

/// Returns the endpoints of the hosts in `settings`.
fn endpoints(settings: &RegistrySettings) -> Vec<String> {
    let hosts = settings.mirrors.iter().chain(&settings.server);
    hosts
        .map(|host| address::authority(&host.value.url))
        .collect()
}

/// Returns the names of the registries whose own host is `endpoint`. `named` are those with a directory.
fn registries_at(endpoint: &str, named: &[String]) -> Vec<String> {
    let mut names = named.to_vec();
    names.extend(address::registry_name(endpoint));
    if address::own_host(DEFAULT_REGISTRY).is_ok_and(|url| address::authority(&url) == endpoint) {
        names.push(DEFAULT_REGISTRY.to_owned());
    }
    names
}
