//! `[registry."…"]`: who answers for a registry, and how.

use std::path::Path;

use url::Url;
use windlass_registry::{ClientTls, Proxies, Secret};

use super::{EVERYBODY, proxies, pull};
use crate::address;
use crate::document::Item;
use crate::error::{ConfigError, Problem};
use crate::host_spec::{Dialect, HostSpec};
use crate::hosts_toml::{Hosts, Server};
use crate::settings::Proxy;
use crate::size::Rate;
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

const KEYS: [&str; 12] = [
    "ca",
    "capabilities",
    "client",
    "dial-timeout",
    "foreign-layers",
    "header",
    "limit-rate",
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
    /// For the registry's own host, those of the strongest file first.
    pub(crate) certificates: Vec<Result<Setting<ClientTls>, ConfigError>>,
    /// Whether the registry's own host may have any certificate.
    pub(crate) skip_verify: Option<Setting<bool>>,
    pub(crate) proxies: Option<Setting<Proxies>>,
    pub(crate) foreign_hosts: Option<Setting<Vec<String>>>,
    pub(crate) limit_rate: Option<Setting<Rate>>,
}

/// A host whose files are not read yet.
struct Unread {
    spec: HostSpec,
    url: Url,
    origin: Origin,
    /// See [`Server::unnamed`].
    unnamed: Option<ConfigError>,
}

impl OwnRegistry {
    /// Returns what holds if `self` is read after `earlier`.
    pub(super) fn over(self, earlier: Self) -> Self {
        let mut certificates = self.certificates;
        certificates.extend(earlier.certificates);
        Self {
            hosts: self.hosts.or(earlier.hosts),
            certificates,
            skip_verify: self.skip_verify.or(earlier.skip_verify),
            proxies: self.proxies.or(earlier.proxies),
            foreign_hosts: self.foreign_hosts.or(earlier.foreign_hosts),
            limit_rate: self.limit_rate.or(earlier.limit_rate),
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
    if let Some(item) = table.take("limit-rate") {
        registry.limit_rate = Some(pull::rate(&item)?);
        if name == EVERYBODY {
            return Err(item.error(Problem::NeedsName));
        }
    }
    let mirrors = table.take("mirror").map(|item| mirrors(item, base));
    let mirrors = mirrors.transpose()?;
    let server = table.take("server");
    let spec = HostSpec::take(&mut table, Dialect::Windlass, base)?;
    let needs_server = table.error(Problem::NeedsServer);
    table.refuse_rest(&KEYS)?;
    let (server, spec) = match server {
        Some(item) => {
            let url = address::host(item.some_text()?);
            let url = url.map_err(|problem| item.error(Problem::Url(problem)))?;
            let server = Unread {
                spec,
                url,
                origin: item.origin(),
                unnamed: None,
            };
            (Some(server), HostSpec::default())
        }
        None if name == EVERYBODY && spec.is_about_tls() => return Err(needs_server),
        None if name == EVERYBODY => (None, spec.refuse_without_server()?),
        None => {
            let skip_verify = spec.skip_verify();
            registry.skip_verify = skip_verify.map(|skip| Setting::new(skip, origin.clone()));
            own_host(spec, name, &origin, needs_server)?
        }
    };
    if spec.has_files() {
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

/// Returns the registry's own host as a server, if anything is said about it that only a server has; else what is
/// said about its certificates. `needs_server` is an error about the registry's table.
fn own_host(
    spec: HostSpec,
    name: &str,
    origin: &Origin,
    needs_server: ConfigError,
) -> Result<(Option<Unread>, HostSpec), ConfigError> {
    if !spec.is_about_requests() {
        return Ok((None, spec));
    }
    let wrong = |problem| ConfigError {
        problem: Box::new(problem),
        ..needs_server
    };
    let server = match address::own_host(name) {
        Ok(url) => Unread {
            spec,
            url,
            origin: origin.clone(),
            unnamed: Some(wrong(Problem::WhichScheme)),
        },
        Err(problem) => return Err(wrong(Problem::Url(problem))),
    };
    Ok((Some(server), HostSpec::default()))
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
        let url = address::host(address.some_text()?);
        let url = url.map_err(|problem| address.error(Problem::Url(problem)))?;
        mirrors.push(Unread {
            spec,
            url,
            origin,
            unnamed: None,
        });
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
    let mirrors: Result<_, ConfigError> = mirrors.into_iter().map(&mut read).collect();
    let server = server.map(|mut unread| {
        let unnamed = unread.unnamed.take();
        read(unread).map(|host| Server { host, unnamed })
    });
    Ok(Hosts {
        mirrors: mirrors?,
        server: server.transpose()?,
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
