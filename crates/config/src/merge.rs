//! What beats what.
//!
//! Windlass's own file, then `hosts.toml`, then `daemon.json` (the daemon's own before Docker's). About the hosts of a registry the first that
//! names the registry decides alone, and only if none does, the first that speaks of every registry: lists of
//! mirrors from different files are never mixed. Certificates add up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use windlass_oci::DEFAULT_REGISTRY;
use windlass_registry::{ClientTls, Endpoint, HostConfig, InvalidConfig, Proxies, RegistryConfig};

use crate::address;
use crate::daemon_json::Said;
use crate::error::ConfigError;
use crate::hosts_toml::{Hosts, Server};
use crate::loaded::Loaded;
use crate::scan::{Certificates, Scan};
use crate::settings::RegistrySettings;
use crate::source::{Finding, Origin, Setting, Source, SourceState};
use crate::windlass_toml::{EVERYBODY, Own, OwnRegistry};

/// Puts together what the files say.
pub(crate) fn merge(
    own: Own,
    scan: Scan,
    daemon: Said,
    sources: Vec<Source>,
    findings: Vec<Finding>,
) -> Result<Loaded, ConfigError> {
    let mut roots = own.roots;
    roots.extend(scan.roots);
    let mut loaded = Loaded {
        root: own.root,
        downloads: own.downloads.or(daemon.downloads),
        attempts: own.attempts.or(daemon.attempts),
        schema1: own.schema1,
        insecure: own.insecure.or(daemon.insecure),
        roots,
        proxies: own.proxies.over(daemon.proxies),
        timeouts: own.timeouts,
        pull: own.pull,
        sources,
        findings,
        ..Loaded::default()
    };
    let hub = daemon.mirrors.map(hub_of);
    let mut merge = Merge {
        loaded: &mut loaded,
        hosts: scan.hosts,
        default: scan.default,
        not_default: scan.not_default,
        certificates: scan.certificates,
        hub,
        everybodys_proxies: None,
    };
    merge.registries(own.registries)?;
    Ok(loaded)
}

/// What is used up while the registries are put together.
struct Merge<'a> {
    loaded: &'a mut Loaded,
    hosts: BTreeMap<String, Result<Hosts, ConfigError>>,
    default: Option<Hosts>,
    not_default: BTreeSet<String>,
    certificates: BTreeMap<String, Certificates>,
    hub: Option<Hosts>,
    /// What a `windlass.toml` says is every registry's, whoever decides about the hosts.
    everybodys_proxies: Option<Setting<Proxies>>,
}

impl Merge<'_> {
    fn registries(&mut self, mut own: BTreeMap<String, OwnRegistry>) -> Result<(), ConfigError> {
        for (name, registry) in &mut own {
            if let Ok(url) = address::own_host(name) {
                self.own_certificates(address::authority(&url), registry);
            }
        }
        self.certificates
            .retain(|_, certificates| certificates.is_said());

        let everybody = own.remove(EVERYBODY).unwrap_or_default();
        let own_default = everybody.hosts.transpose()?;
        let shadows = own_default.is_none() && self.default.is_some();
        let default = match own_default {
            Some(hosts) => {
                self.ignore_default();
                hosts
            }
            None => self.default.take().unwrap_or_default(),
        };
        self.everybodys_proxies.clone_from(&everybody.proxies);
        self.loaded.default = settings(default, everybody.proxies, everybody.foreign_hosts);
        self.refuse_broken_default()?;

        let mut names: BTreeSet<String> = own.keys().cloned().collect();
        names.extend(self.hosts.keys().cloned());
        names.extend(self.hub.as_ref().map(|_| DEFAULT_REGISTRY.to_owned()));
        if shadows {
            names.append(&mut self.not_default.clone());
        }
        for name in names {
            let own = own.remove(&name).unwrap_or_default();
            self.registry(name, own, shadows);
        }
        self.refuse_broken();
        let certificates = std::mem::take(&mut self.certificates);
        for (endpoint, certificates) in certificates {
            self.loaded.findings.extend(certificates.findings);
            let origins = certificates.origins;
            if certificates.tls != ClientTls::default() {
                self.loaded
                    .certificates
                    .insert(endpoint.clone(), certificates.tls);
                self.loaded.certificate_origins.insert(endpoint, origins);
            }
        }
        Ok(())
    }

    /// Puts what a `windlass.toml` says about the certificates of a registry's own host before what directories do.
    fn own_certificates(&mut self, endpoint: String, registry: &mut OwnRegistry) {
        let mut certificates = Certificates::default();
        for read in registry.certificates.drain(..) {
            add_own(&mut certificates, read);
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

    /// Decides about the registry `name`.
    fn registry(&mut self, name: String, own: OwnRegistry, shadows: bool) {
        let scanned = self.hosts.remove(&name);
        let hub = match name == DEFAULT_REGISTRY {
            true => self.hub.take(),
            false => None,
        };
        let mut hosts = match (own.hosts, scanned) {
            (Some(hosts), ignored) => {
                self.ignore(ignored.as_ref());
                Some(hosts)
            }
            (None, Some(hosts)) => Some(hosts),
            (None, None) => hub.map(Ok),
        };
        if let Some(Ok(decided)) = &mut hosts
            && let Err(error) = self.settle_own_host(&name, decided, own.skip_verify.as_ref())
        {
            hosts = Some(Err(error));
        }
        let default = &self.loaded.default;
        let mut decided = match hosts {
            Some(Ok(hosts)) => settings(hosts, None, None),
            Some(Err(error)) => {
                let unusable = InvalidConfig::new(error);
                self.loaded.unusable.insert(name.clone(), unusable);
                RegistrySettings::default()
            }
            None if shadows && self.not_default.contains(&name) => RegistrySettings::default(),
            None => default.clone(),
        };
        let everybodys = self.everybodys_proxies.clone();
        decided.proxies = own.proxies.or(decided.proxies).or(everybodys);
        decided.foreign_hosts = own.foreign_hosts.or(default.foreign_hosts.clone());
        decided.limit_rate = own.limit_rate;
        self.loaded.registries.insert(name, decided);
    }

    /// Settles what is said about the registry's own host in `hosts`, if it is the server there.
    ///
    /// Where a `windlass.toml` says that its certificate counts, it counts. Where the host may be spoken to
    /// without TLS, and is not named with a scheme, it stays so (EP-4): what is said about its certificates holds
    /// wherever it is met, and what else is said needs a name.
    fn settle_own_host(
        &mut self,
        name: &str,
        hosts: &mut Hosts,
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
        let Some(error) = server.unnamed.take_if(|_| self.may_be_plain(name)) else {
            return Ok(());
        };
        if server.says_more_than_certificates() {
            return Err(error);
        }
        let certificates = self.certificates.entry(endpoint).or_default();
        let origin = server.host.origin.clone();
        certificates.add(Ok(std::mem::take(&mut server.host.value.tls)), origin);
        hosts.server = None;
        Ok(())
    }

    /// Tells whether the registry's own host is asked by plain http, too, if nothing is said about it.
    ///
    /// Not for what a name could turn out to be: it may lie in a range, and most do not.
    fn may_be_plain(&self, name: &str) -> bool {
        let Ok(repository) = format!("{name}/name/name").parse() else {
            return false;
        };
        let config = RegistryConfig {
            insecure: self
                .loaded
                .insecure
                .iter()
                .flat_map(|setting| setting.value.clone())
                .collect(),
            ..RegistryConfig::default()
        };
        let endpoints = Endpoint::of(&repository, &config).unwrap_or_default();
        matches!(&*endpoints, [one, other] if one.is_https() != other.is_https())
    }

    /// Notes that a `hosts.toml` was read for nothing.
    fn ignore(&mut self, hosts: Option<&Result<Hosts, ConfigError>>) {
        match hosts {
            None => {}
            Some(Ok(hosts)) => {
                let path = hosts.origin.as_ref().map(|origin| origin.path.clone());
                self.ignore_source(path.as_deref());
            }
            Some(Err(error)) => {
                self.loaded.findings.push(Finding::broken(error));
                let path = error.path.clone();
                self.ignore_source(Some(&path));
            }
        }
    }

    fn ignore_default(&mut self) {
        let path = self.default.as_ref().and_then(|hosts| hosts.origin.clone());
        self.ignore_source(path.as_ref().map(|origin| &*origin.path));
    }

    fn ignore_source(&mut self, path: Option<&Path>) {
        let sources = self.loaded.sources.iter_mut();
        for source in sources.filter(|source| Some(&*source.path) == path) {
            source.state = SourceState::Ignored;
        }
    }

    /// Every registry would ask a host whose certificates cannot be used.
    fn refuse_broken_default(&mut self) -> Result<(), ConfigError> {
        for endpoint in endpoints(&self.loaded.default) {
            let certificates = self.certificates.get_mut(&endpoint);
            if let Some(error) = certificates.and_then(|found| found.broken.take()) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Closes the registries that would ask a host whose certificates cannot be used.
    fn refuse_broken(&mut self) {
        for (endpoint, certificates) in &mut self.certificates {
            let Some(error) = certificates.broken.take() else {
                continue;
            };
            let unusable = InvalidConfig::new(error);
            for (name, settings) in &self.loaded.registries {
                if endpoints(settings).contains(endpoint) {
                    let entry = self.loaded.unusable.entry(name.clone());
                    entry.or_insert_with(|| unusable.clone());
                }
            }
            for name in registries_at(endpoint, &certificates.registries) {
                let replaced = self
                    .loaded
                    .registries
                    .get(&name)
                    .is_some_and(|settings| settings.server.is_some());
                if !replaced {
                    let entry = self.loaded.unusable.entry(name);
                    entry.or_insert_with(|| unusable.clone());
                }
            }
        }
    }
}

impl Certificates {
    fn is_said(&self) -> bool {
        self.broken.is_some() || self.tls != ClientTls::default()
    }
}

impl Server {
    fn says_more_than_certificates(&self) -> bool {
        let host = &self.host.value;
        let usual = HostConfig::new(host.url.clone());
        !host.headers.is_empty()
            || host.connect.is_some()
            || host.override_path
            || host.capabilities != usual.capabilities
    }
}

fn add_own(certificates: &mut Certificates, read: Result<Setting<ClientTls>, ConfigError>) {
    match read {
        Ok(setting) => certificates.add(Ok(setting.value), setting.origin),
        Err(error) => {
            let origin = Origin::file(&error.path);
            certificates.add(Err(error), origin);
        }
    }
}

fn settings(
    hosts: Hosts,
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

/// `registry-mirrors` are Docker Hub's (EP-1, EP-2).
fn hub_of(mirrors: Setting<Vec<url::Url>>) -> Hosts {
    let Setting { value, origin } = mirrors;
    let mirrors = value.into_iter();
    Hosts {
        mirrors: mirrors
            .map(|url| Setting::new(HostConfig::new(url), origin.clone()))
            .collect(),
        origin: Some(origin.clone()),
        ..Hosts::default()
    }
}

/// Where the hosts are that `settings` name.
fn endpoints(settings: &RegistrySettings) -> Vec<String> {
    let hosts = settings.mirrors.iter().chain(&settings.server);
    hosts
        .map(|host| address::authority(&host.value.url))
        .collect()
}

/// The registries whose own host is `endpoint`, by the names that they are known by; `named` are those that
/// a directory has.
fn registries_at(endpoint: &str, named: &[String]) -> Vec<String> {
    let mut names = named.to_vec();
    names.extend(address::registry_name(endpoint));
    if address::own_host(DEFAULT_REGISTRY).is_ok_and(|url| address::authority(&url) == endpoint) {
        names.push(DEFAULT_REGISTRY.to_owned());
    }
    names
}
