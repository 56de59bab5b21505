//! `[registry."NAME"]`: the hosts of a registry, and how they are used.

use std::num::NonZeroU64;
use std::path::Path;

use url::Url;
use windlass_registry::{ClientTls, Proxies};

use crate::address;
use crate::documentation::RegistryKeyDocumentation;
use crate::error::{ConfigError, ConfigProblem};
use crate::host_spec::{self, Dialect, HostSpec};
use crate::hosts_toml::{ConfiguredHosts, ServerHost};
use crate::settings::{NoProxyType, ProxyType, RateType, ReadContext, ValueType};
use crate::source::{FileLocation, Finding, Setting};
use crate::toml_document::TomlItem;

/// The name of the table for all registries without a table of their own.
pub(crate) const ANY_REGISTRY: &str = "*";

/// The keys of a registry that are not about a host.
const REGISTRY_KEYS: [RegistryKeyDocumentation; 5] = [
    RegistryKeyDocumentation {
        key: "mirror",
        syntax: "array of tables, or of addresses",
        default: "those of other files",
        description: "Hosts that are tried before the server, in this order. An empty array means no mirrors, \
                        whatever other files contain.",
    },
    RegistryKeyDocumentation {
        key: "server",
        syntax: "address",
        default: "the registry's own host",
        description: "Host that is tried after the mirrors.",
    },
    RegistryKeyDocumentation {
        key: "proxy",
        syntax: "address, `\"direct\"`, or table",
        default: "the general proxies",
        description: "Proxies for all hosts of this registry. A table has the keys `http`, `https` and `no-proxy`; \
                        what it leaves out is a direct connection.",
    },
    RegistryKeyDocumentation {
        key: "foreign-layers",
        syntax: "array of `https://HOST[:PORT]`",
        default: "none",
        description: "Hosts that foreign layers may be fetched from, whose URLs are in the manifest.",
    },
    RegistryKeyDocumentation {
        key: "limit-rate",
        syntax: "rate",
        default: "`\"off\"`",
        description: "Maximum download rate from this registry, including its mirrors. `pull.limit-rate` applies, \
                        too. `*` cannot have this key.",
    },
];

/// The key of a mirror that a server does not have: its address is the value of `server`.
const URL_KEY: RegistryKeyDocumentation = RegistryKeyDocumentation {
    key: "url",
    syntax: "address",
    default: "required",
    description: "Address of the mirror.",
};

/// Returns the documentation of the keys in `[registry."NAME"]`, except those of a host.
pub fn registry_key_documentation() -> Vec<RegistryKeyDocumentation> {
    REGISTRY_KEYS.to_vec()
}

/// Returns the documentation of the keys in `[[registry."NAME".mirror]]`.
pub fn host_key_documentation() -> Vec<RegistryKeyDocumentation> {
    [URL_KEY].into_iter().chain(host_spec::KEYS).collect()
}

fn names(documented: &[RegistryKeyDocumentation]) -> Vec<&'static str> {
    let keys = documented.iter().chain(&host_spec::KEYS);
    keys.map(|documented| documented.key).collect()
}

/// The table of a registry.
///
/// Errors in files that the table names are kept until the registry is used: the user may not be allowed to read them,
/// and other registries do not need them.
#[derive(Debug, Default)]
pub(crate) struct RegistryTable {
    pub(crate) hosts: Option<Result<ConfiguredHosts, ConfigError>>,
    /// Certificates of the registry's own host, with those of the strongest file first.
    pub(crate) certificates: Vec<Result<Setting<ClientTls>, ConfigError>>,
    /// Whether the certificate of the registry's own host is not verified.
    pub(crate) skip_verify: Option<Setting<bool>>,
    pub(crate) proxies: Option<Setting<Proxies>>,
    pub(crate) foreign_hosts: Option<Setting<Vec<String>>>,
    pub(crate) limit_rate: Option<Setting<Option<NonZeroU64>>>,
}

/// A host with files that are not read yet.
struct PendingHost {
    spec: HostSpec,
    url: Url,
    origin: FileLocation,
    /// See [`ServerHost::scheme_error`].
    scheme_error: Option<ConfigError>,
}

impl RegistryTable {
    /// Returns the content of this table merged with that of the same table in an `earlier` file.
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
    item: TomlItem<'_>,
    name: &str,
    base: &Path,
    findings: &mut Vec<Finding>,
) -> Result<RegistryTable, ConfigError> {
    let origin = item.origin();
    let mut table = item.table()?;
    let mut registry = RegistryTable::default();
    if let Some(item) = table.take("proxy") {
        registry.proxies = Some(read_proxies(item, base, findings)?);
    }
    if let Some(item) = table.take("foreign-layers") {
        registry.foreign_hosts = Some(read_foreign_hosts(item)?);
    }
    if let Some(item) = table.take("limit-rate") {
        if name == ANY_REGISTRY {
            return Err(item.error(ConfigProblem::NeedsName));
        }
        registry.limit_rate = Some(read_value(&RateType, item, base, findings)?);
    }
    let mirrors = table.take("mirror").map(|item| read_mirrors(item, base));
    let mirrors = mirrors.transpose()?;
    let server = table.take("server");
    let spec = HostSpec::take(&mut table, Dialect::Windlass, base)?;
    let needs_server = table.error(ConfigProblem::NeedsServer);
    table.reject_remaining_keys(&names(&REGISTRY_KEYS))?;
    let (server, spec) = match server {
        Some(item) => {
            let url = address::host(item.non_empty_text()?);
            let url = url.map_err(|problem| item.error(ConfigProblem::Url(problem)))?;
            let server = PendingHost {
                spec,
                url,
                origin: item.origin(),
                scheme_error: None,
            };
            (Some(server), HostSpec::default())
        }
        None if name == ANY_REGISTRY && spec.is_about_tls() => return Err(needs_server),
        None if name == ANY_REGISTRY => (None, spec.reject_keys_without_server()?),
        None => {
            let skip_verify = spec.skip_verify();
            registry.skip_verify = skip_verify.map(|skip| Setting::new(skip, origin.clone()));
            own_host_as_server(spec, name, &origin, needs_server)?
        }
    };
    if spec.has_files() {
        let tls = spec.read_tls(findings);
        let tls = tls.map(|tls| Setting::new(tls, origin.clone()));
        registry.certificates.push(tls);
    }
    if mirrors.is_some() || server.is_some() {
        let mirrors = mirrors.unwrap_or_default();
        registry.hosts = Some(read_host_files(mirrors, server, origin, findings));
    }
    Ok(registry)
}

/// Returns the registry's own host as a server, if a key is about its requests, or else the keys about its certificates.
/// `needs_server` is an error about the registry's table.
fn own_host_as_server(
    spec: HostSpec,
    name: &str,
    origin: &FileLocation,
    needs_server: ConfigError,
) -> Result<(Option<PendingHost>, HostSpec), ConfigError> {
    if !spec.is_about_requests() {
        return Ok((None, spec));
    }
    let error = |problem| ConfigError {
        problem: Box::new(problem),
        ..needs_server
    };
    let server = match address::own_host(name) {
        Ok(url) => PendingHost {
            spec,
            url,
            origin: origin.clone(),
            scheme_error: Some(error(ConfigProblem::NeedsScheme)),
        },
        Err(problem) => return Err(error(ConfigProblem::Url(problem))),
    };
    Ok((Some(server), HostSpec::default()))
}

/// Reads `mirror`: an array of tables or addresses.
fn read_mirrors(item: TomlItem<'_>, base: &Path) -> Result<Vec<PendingHost>, ConfigError> {
    let mut mirrors = Vec::new();
    for item in item.elements()? {
        let origin = item.origin();
        let (spec, address) = match item.is_table() {
            false => (HostSpec::default(), item),
            true => {
                let mut table = item.table()?;
                let spec = HostSpec::take(&mut table, Dialect::Windlass, base)?;
                let address = table.take("url");
                let missing = table.error(ConfigProblem::MissingKey { key: "url" });
                table.reject_remaining_keys(&names(&[URL_KEY]))?;
                (spec, address.ok_or(missing)?)
            }
        };
        let url = address::host(address.non_empty_text()?);
        let url = url.map_err(|problem| address.error(ConfigProblem::Url(problem)))?;
        mirrors.push(PendingHost {
            spec,
            url,
            origin,
            scheme_error: None,
        });
    }
    Ok(mirrors)
}

/// Reads the files of the hosts.
fn read_host_files(
    mirrors: Vec<PendingHost>,
    server: Option<PendingHost>,
    origin: FileLocation,
    findings: &mut Vec<Finding>,
) -> Result<ConfiguredHosts, ConfigError> {
    let mut read = |host: PendingHost| host.spec.host(host.url, host.origin, findings);
    let mirrors: Result<_, ConfigError> = mirrors.into_iter().map(&mut read).collect();
    let server = server.map(|mut pending| {
        let scheme_error = pending.scheme_error.take();
        read(pending).map(|host| ServerHost { host, scheme_error })
    });
    Ok(ConfiguredHosts {
        mirrors: mirrors?,
        server: server.transpose()?,
        proxies: None,
        origin: Some(origin),
    })
}

/// Reads the proxies of a registry, which replace the general ones: what is not in the table is a direct connection.
fn read_proxies(
    item: TomlItem<'_>,
    base: &Path,
    findings: &mut Vec<Finding>,
) -> Result<Setting<Proxies>, ConfigError> {
    let origin = item.origin();
    if !item.is_table() {
        let proxy = read_value(&ProxyType, item, base, findings)?.value;
        let proxies = Proxies {
            http: proxy.clone(),
            https: proxy,
            no_proxy: None,
        };
        return Ok(Setting::new(proxies, origin));
    }
    let mut proxies = Proxies::default();
    let mut table = item.table()?;
    if let Some(item) = table.take("http") {
        proxies.http = read_value(&ProxyType, item, base, findings)?.value;
    }
    if let Some(item) = table.take("https") {
        proxies.https = read_value(&ProxyType, item, base, findings)?.value;
    }
    if let Some(item) = table.take("no-proxy") {
        proxies.no_proxy = read_value(&NoProxyType, item, base, findings)?.value;
    }
    table.reject_remaining_keys(&["http", "https", "no-proxy"])?;
    Ok(Setting::new(proxies, origin))
}

fn read_value<T: ValueType>(
    value_type: &T,
    item: TomlItem<'_>,
    base: &Path,
    findings: &mut Vec<Finding>,
) -> Result<Setting<T::Value>, ConfigError> {
    let origin = item.origin();
    let value = value_type.read(item, &mut ReadContext { base, findings })?;
    Ok(Setting::new(value, origin))
}

fn read_foreign_hosts(item: TomlItem<'_>) -> Result<Setting<Vec<String>>, ConfigError> {
    let origin = item.origin();
    let mut hosts = Vec::new();
    for item in item.elements()? {
        let host = address::origin(item.non_empty_text()?);
        hosts.push(host.map_err(|problem| item.error(ConfigProblem::Url(problem)))?);
    }
    Ok(Setting::new(hosts, origin))
}
