//! `[registry."…"]`: who answers for a registry, and how.

use std::path::Path;

use url::Url;
use windlass_registry::{Proxies, Secret, Tls};

use super::{EVERYBODY, proxies};
use crate::address;
use crate::document::Item;
use crate::error::{ConfigError, Problem};
use crate::host_spec::{Dialect, HostSpec};
use crate::hosts_toml::Hosts;
use crate::settings::Proxy;
use crate::source::{Finding, Origin, Setting};

const HOST_KEYS: [&str; 8] = [
    "ca",
    "capabilities",
    "client",
    "dial-timeout",
    "header",
    "override-path",
    "skip-verify",
    "url",
];

const KEYS: [&str; 11] = [
    "ca",
    "capabilities",
    "client",
    "dial-timeout",
    "foreign-layers",
    "header",
    "mirror",
    "override-path",
    "proxy",
    "server",
    "skip-verify",
];

/// What is said about a registry.
///
/// What is wrong with files that it names is kept until the registry is asked for: to others than an
/// administrator they may be closed, and the other registries do not need them.
#[derive(Debug, Default)]
pub(crate) struct OwnRegistry {
    pub(crate) hosts: Option<Result<Hosts, ConfigError>>,
    /// For the registry's own host.
    pub(crate) certificates: Vec<Result<Setting<Tls>, ConfigError>>,
    pub(crate) proxies: Option<Setting<Proxies>>,
    pub(crate) foreign_hosts: Option<Setting<Vec<String>>>,
}

/// A host whose files are not read yet.
struct Unread {
    spec: HostSpec,
    url: Url,
    origin: Origin,
}

impl OwnRegistry {
    /// Returns what holds if `self` is read after `earlier`.
    pub(super) fn over(self, earlier: Self) -> Self {
        let mut certificates = earlier.certificates;
        certificates.extend(self.certificates);
        Self {
            hosts: self.hosts.or(earlier.hosts),
            certificates,
            proxies: self.proxies.or(earlier.proxies),
            foreign_hosts: self.foreign_hosts.or(earlier.foreign_hosts),
        }
    }
}

pub(super) fn read(
    item: Item<'_>,
    name: &str,
    base: &Path,
    findings: &mut Vec<Finding>,
) -> Result<OwnRegistry, ConfigError> {
    let origin = item.origin();
    let mut table = item.table()?;
    let mut registry = OwnRegistry::default();
    if let Some(item) = table.take("proxy") {
        registry.proxies = Some(registry_proxies(item)?);
    }
    if let Some(item) = table.take("foreign-layers") {
        registry.foreign_hosts = Some(foreign_hosts(item)?);
    }
    let mirrors = table.take("mirror").map(|item| mirrors(item, base));
    let mirrors = mirrors.transpose()?;
    let server = table.take("server");
    let spec = HostSpec::take(&mut table, Dialect::Windlass, base)?;
    let needs_server = table.error(Problem::NeedsServer);
    table.refuse_rest(&KEYS)?;
    let (server, spec) = match server {
        Some(item) => {
            let url = spec.url(item.some_text()?);
            let url = url.map_err(|problem| item.error(Problem::Url(problem)))?;
            let origin = item.origin();
            (Some(Unread { spec, url, origin }), HostSpec::default())
        }
        None if name == EVERYBODY && spec.has_tls() => return Err(needs_server),
        None if name == EVERYBODY => (None, spec.refuse_without_server()?),
        None if spec.is_about_requests() => {
            let url = address::own_host(name).map_err(|problem| ConfigError {
                problem: Box::new(Problem::Url(problem)),
                ..needs_server
            })?;
            let origin = origin.clone();
            (Some(Unread { spec, url, origin }), HostSpec::default())
        }
        None => (None, spec),
    };
    if spec.has_tls() {
        let tls = spec.tls(findings);
        let tls = tls.map(|tls| Setting::new(tls, origin.clone()));
        registry.certificates.push(tls);
    }
    if mirrors.is_some() || server.is_some() {
        let mirrors = mirrors.unwrap_or_default();
        registry.hosts = Some(hosts(mirrors, server, origin, findings));
    }
    Ok(registry)
}

/// Reads `mirror`: an array of tables, or of addresses alone.
fn mirrors(item: Item<'_>, base: &Path) -> Result<Vec<Unread>, ConfigError> {
    let mut mirrors = Vec::new();
    for item in item.elements()? {
        let origin = item.origin();
        let (spec, address) = match item.is_table() {
            false => (HostSpec::default(), item),
            true => {
                let mut table = item.table()?;
                let spec = HostSpec::take(&mut table, Dialect::Windlass, base)?;
                let address = table.take("url");
                let missing = table.error(Problem::MissingKey { key: "url" });
                table.refuse_rest(&HOST_KEYS)?;
                (spec, address.ok_or(missing)?)
            }
        };
        let url = spec.url(address.some_text()?);
        let url = url.map_err(|problem| address.error(Problem::Url(problem)))?;
        mirrors.push(Unread { spec, url, origin });
    }
    Ok(mirrors)
}

/// Reads the files.
fn hosts(
    mirrors: Vec<Unread>,
    server: Option<Unread>,
    origin: Origin,
    findings: &mut Vec<Finding>,
) -> Result<Hosts, ConfigError> {
    let mut read = |unread: Unread| unread.spec.host(unread.url, unread.origin, findings);
    Ok(Hosts {
        mirrors: mirrors
            .into_iter()
            .map(&mut read)
            .collect::<Result<_, _>>()?,
        server: server.map(&mut read).transpose()?,
        proxies: None,
        origin: Some(origin),
    })
}

/// A registry's proxies replace everybody's as a whole: what is not in the table is gone to directly.
fn registry_proxies(item: Item<'_>) -> Result<Setting<Proxies>, ConfigError> {
    let origin = item.origin();
    let said = proxies(item)?;
    let address = |setting: Option<Setting<Proxy>>| -> Option<Secret> {
        match setting?.value {
            Proxy::Direct => None,
            Proxy::Through(address) => Some(address),
        }
    };
    let proxies = Proxies {
        http: address(said.http),
        https: address(said.https),
        no_proxy: said.no_proxy.map(|setting| setting.value),
    };
    Ok(Setting::new(proxies, origin))
}

fn foreign_hosts(item: Item<'_>) -> Result<Setting<Vec<String>>, ConfigError> {
    let origin = item.origin();
    let mut places = Vec::new();
    for item in item.elements()? {
        let place = address::origin(item.some_text()?);
        places.push(place.map_err(|problem| item.error(Problem::Url(problem)))?);
    }
    Ok(Setting::new(places, origin))
}
