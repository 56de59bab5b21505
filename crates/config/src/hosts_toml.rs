//! `hosts.toml` in the format of containerd's `certs.d` directories.

use std::path::Path;

use windlass_registry::{HostConfig, Proxies, Secret};

use crate::address;
use crate::error::{ConfigError, ConfigProblem};
use crate::host_spec::{Dialect, HostSpec};
use crate::source::{FileLocation, Finding, FindingKind, Setting};
use crate::toml_document::{TomlDocument, TomlItem, TomlTable};

/// The hosts of a registry.
#[derive(Debug, Default)]
pub(crate) struct ConfiguredHosts {
    pub(crate) mirrors: Vec<Setting<HostConfig>>,
    pub(crate) server: Option<ServerHost>,
    pub(crate) proxies: Option<Setting<Proxies>>,
    /// The file that lists them.
    pub(crate) origin: Option<FileLocation>,
}

/// The host that is tried last.
#[derive(Debug)]
pub(crate) struct ServerHost {
    pub(crate) host: Setting<HostConfig>,
    /// The error to report if the host may be used without TLS. `None` if the file has its address: without one it is
    /// the registry's own host, whose scheme is then not decided.
    pub(crate) scheme_error: Option<ConfigError>,
}

/// Which registries a file is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HostsScope<'a> {
    /// The registry with this name.
    Registry(&'a str),
    /// All registries without a directory of their own: `_default`.
    Default,
}

/// The proxy of one of the hosts, if it has one.
type HostProxy = Option<(Secret, FileLocation)>;

/// Reads the text of the `hosts.toml` at `path`, and the files that it names.
///
/// Unknown keys are ignored, as by containerd.
pub(crate) fn read(
    path: &Path,
    text: &str,
    scope: HostsScope<'_>,
    findings: &mut Vec<Finding>,
) -> Result<ConfiguredHosts, ConfigError> {
    let base = path.parent().unwrap_or(Path::new(""));
    let mut table = TomlDocument::parse(path, text)?;
    let mut proxies: Vec<HostProxy> = Vec::new();
    let mut mirrors = Vec::new();
    if let Some(item) = table.take("host") {
        let mut hosts = item.table()?.take_all();
        hosts.sort_by_key(TomlItem::first_mention);
        for item in hosts {
            mirrors.push(read_mirror(item, base, &mut proxies, findings)?);
        }
    }
    let server = read_server(&mut table, base, scope, &mut proxies, findings)?;
    report_unknown_keys(table, findings);
    Ok(ConfiguredHosts {
        mirrors,
        server,
        proxies: common_proxy(proxies, path)?,
        origin: Some(FileLocation::file(path)),
    })
}

fn read_mirror(
    item: TomlItem<'_>,
    base: &Path,
    proxies: &mut Vec<HostProxy>,
    findings: &mut Vec<Finding>,
) -> Result<Setting<HostConfig>, ConfigError> {
    let origin = item.origin();
    let location = item.error(ConfigProblem::Empty);
    let address = item.name().to_owned();
    let mut table = item.table()?;
    if let Some(nested) = table.take("host") {
        return Err(nested.error(ConfigProblem::Nested));
    }
    let spec = HostSpec::take(&mut table, Dialect::Containerd, base)?;
    let url = address::host(&address).map_err(|problem| ConfigError {
        problem: Box::new(ConfigProblem::Url(problem)),
        ..location
    })?;
    proxies.push(read_proxy(&mut table)?);
    report_unknown_keys(table, findings);
    spec.host(url, origin, findings)
}

/// Reads the keys at the root of the file, which are about `server`, or else about the registry's own host.
fn read_server(
    table: &mut TomlTable<'_>,
    base: &Path,
    scope: HostsScope<'_>,
    proxies: &mut Vec<HostProxy>,
    findings: &mut Vec<Finding>,
) -> Result<Option<ServerHost>, ConfigError> {
    let item = table.take("server");
    let mut spec = HostSpec::take(table, Dialect::Containerd, base)?;
    proxies.push(read_proxy(table)?);
    if let Some(item) = item
        && !item.text()?.is_empty()
    {
        let url = address::host(item.text()?);
        let url = url.map_err(|problem| item.error(ConfigProblem::Url(problem)))?;
        return Ok(Some(ServerHost {
            host: spec.host(url, item.origin(), findings)?,
            scheme_error: None,
        }));
    }
    spec.drop_server_keys(findings);
    if !spec.has_keys_of_own_host() {
        return Ok(None);
    }
    let origin = table.origin();
    match scope {
        HostsScope::Registry(name) => {
            let url = address::own_host(name);
            let url = url.map_err(|problem| table.error(ConfigProblem::Url(problem)))?;
            Ok(Some(ServerHost {
                host: spec.host(url, origin, findings)?,
                scheme_error: Some(table.error(ConfigProblem::NeedsScheme)),
            }))
        }
        // The keys cannot be about one host, and are not meant for all.
        HostsScope::Default => {
            findings.push(Finding {
                origin,
                key: None,
                kind: FindingKind::NeedsServer,
            });
            Ok(None)
        }
    }
}

fn read_proxy(table: &mut TomlTable<'_>) -> Result<HostProxy, ConfigError> {
    let Some(item) = table.take("proxy") else {
        return Ok(None);
    };
    if item.text()?.is_empty() {
        return Ok(None);
    }
    let proxy = address::proxy(item.text()?);
    let proxy = proxy.map_err(|problem| item.error(ConfigProblem::Proxy(problem)))?;
    Ok(Some((proxy, item.origin())))
}

/// Returns the proxy that all hosts share. Different proxies are an error, because without its proxy a host could be
/// connected to directly where that must not happen.
fn common_proxy(
    proxies: Vec<HostProxy>,
    path: &Path,
) -> Result<Option<Setting<Proxies>>, ConfigError> {
    let mut proxies = proxies.into_iter();
    let first = proxies.next().flatten();
    for other in proxies {
        if other.as_ref().map(|(proxy, _)| proxy) != first.as_ref().map(|(proxy, _)| proxy) {
            return Err(ConfigError::file(path, ConfigProblem::SeveralProxies));
        }
    }
    Ok(first.map(|(proxy, origin)| {
        let proxies = Proxies {
            http: Some(proxy.clone()),
            https: Some(proxy),
            no_proxy: None,
        };
        Setting::new(proxies, origin)
    }))
}

fn report_unknown_keys(mut table: TomlTable<'_>, findings: &mut Vec<Finding>) {
    findings.extend(table.take_all().into_iter().map(|item| Finding {
        origin: item.origin(),
        key: Some(item.key().to_owned()),
        kind: FindingKind::UnknownKey,
    }));
}

#[cfg(test)]
mod tests;
