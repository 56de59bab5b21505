//! `hosts.toml`, as containerd has it in its `certs.d`.

use std::path::Path;

use windlass_registry::{HostConfig, Proxies, Secret};

use crate::address;
use crate::document::{Document, Item, Table};
use crate::error::{ConfigError, Problem};
use crate::host_spec::{Dialect, HostSpec};
use crate::source::{Finding, Origin, Remark, Setting};

/// What a file says about the hosts of a registry.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    pub(crate) mirrors: Vec<Setting<HostConfig>>,
    pub(crate) server: Option<Server>,
    pub(crate) proxies: Option<Setting<Proxies>>,
    /// Where it is said.
    pub(crate) origin: Option<Origin>,
}

/// The host that has the last word.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) host: Setting<HostConfig>,
    /// Where no host is named and so it is the registry's own: what is wrong with that if the host may be spoken
    /// to without TLS, which one address cannot say.
    pub(crate) unnamed: Option<ConfigError>,
}

/// Whose file it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose<'a> {
    /// The registry's.
    Registry(&'a str),
    /// Every registry's that has none of its own: `_default`.
    Everybody,
}

/// A proxy, for one of the hosts.
type ProxyOf = Option<(Secret, Origin)>;

/// Reads the text of the `hosts.toml` at `path`, and the files that it names.
///
/// Keys that windlass does not know are ignored, as they are by containerd.
pub(crate) fn read(
    path: &Path,
    text: &str,
    whose: Whose<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Hosts, ConfigError> {
    let base = path.parent().unwrap_or(Path::new(""));
    let mut table = Document::parse(path, text)?;
    let mut proxies: Vec<ProxyOf> = Vec::new();
    let mut mirrors = Vec::new();
    if let Some(item) = table.take("host") {
        let mut hosts = item.table()?.take_all();
        hosts.sort_by_key(Item::first_mention);
        for item in hosts {
            mirrors.push(mirror(item, base, &mut proxies, findings)?);
        }
    }
    let server = server(&mut table, base, whose, &mut proxies, findings)?;
    remark_rest(table, findings);
    Ok(Hosts {
        mirrors,
        server,
        proxies: one_proxy(proxies, path)?,
        origin: Some(Origin::file(path)),
    })
}

fn mirror(
    item: Item<'_>,
    base: &Path,
    proxies: &mut Vec<ProxyOf>,
    findings: &mut Vec<Finding>,
) -> Result<Setting<HostConfig>, ConfigError> {
    let origin = item.origin();
    let named = item.error(Problem::Empty);
    let address = item.name().to_owned();
    let mut table = item.table()?;
    if let Some(nested) = table.take("host") {
        return Err(nested.error(Problem::Nested));
    }
    let spec = HostSpec::take(&mut table, Dialect::Containerd, base)?;
    let url = address::host(&address).map_err(|problem| ConfigError {
        problem: Box::new(Problem::Url(problem)),
        ..named
    })?;
    proxies.push(proxy(&mut table)?);
    remark_rest(table, findings);
    spec.host(url, origin, findings)
}

/// Reads what the file's root says: about `server`, or else about the registry's own host.
fn server(
    table: &mut Table<'_>,
    base: &Path,
    whose: Whose<'_>,
    proxies: &mut Vec<ProxyOf>,
    findings: &mut Vec<Finding>,
) -> Result<Option<Server>, ConfigError> {
    let item = table.take("server");
    let mut spec = HostSpec::take(table, Dialect::Containerd, base)?;
    proxies.push(proxy(table)?);
    if let Some(item) = item
        && !item.text()?.is_empty()
    {
        let url = address::host(item.text()?);
        let url = url.map_err(|problem| item.error(Problem::Url(problem)))?;
        return Ok(Some(Server {
            host: spec.host(url, item.origin(), findings)?,
            unnamed: None,
        }));
    }
    spec.without_server(findings);
    if !spec.says_more_than_where() {
        return Ok(None);
    }
    let origin = table.origin();
    match whose {
        Whose::Registry(name) => {
            let url = address::own_host(name);
            let url = url.map_err(|problem| table.error(Problem::Url(problem)))?;
            Ok(Some(Server {
                host: spec.host(url, origin, findings)?,
                unnamed: Some(table.error(Problem::WhichScheme)),
            }))
        }
        // There is no one host that it could be about, and every host would be too many.
        Whose::Everybody => {
            findings.push(Finding {
                origin,
                key: None,
                remark: Remark::NeedsServer,
            });
            Ok(None)
        }
    }
}

fn proxy(table: &mut Table<'_>) -> Result<ProxyOf, ConfigError> {
    let Some(item) = table.take("proxy") else {
        return Ok(None);
    };
    if item.text()?.is_empty() {
        return Ok(None);
    }
    let proxy = address::proxy(item.text()?);
    let proxy = proxy.map_err(|problem| item.error(Problem::Proxy(problem)))?;
    Ok(Some((proxy, item.origin())))
}

/// Returns the proxy that all hosts share. To go past one of several silently could be a way out that
/// somebody closed on purpose.
fn one_proxy(proxies: Vec<ProxyOf>, path: &Path) -> Result<Option<Setting<Proxies>>, ConfigError> {
    let mut proxies = proxies.into_iter();
    let first = proxies.next().flatten();
    for other in proxies {
        if other.as_ref().map(|(proxy, _)| proxy) != first.as_ref().map(|(proxy, _)| proxy) {
            return Err(ConfigError::file(path, Problem::SeveralProxies));
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

fn remark_rest(mut table: Table<'_>, findings: &mut Vec<Finding>) {
    findings.extend(table.take_all().into_iter().map(|item| Finding {
        origin: item.origin(),
        key: Some(item.key().to_owned()),
        remark: Remark::UnknownKey,
    }));
}

#[cfg(test)]
mod tests;
