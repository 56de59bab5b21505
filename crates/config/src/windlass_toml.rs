//! `windlass.toml`: windlass's own file, which can say everything.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::time::Duration;

use windlass_oci::text::sanitize;

use crate::address;
use crate::document::{Document, Item, Table};
use crate::duration;
use crate::error::{ConfigError, Problem};
use crate::host_spec;
use crate::pull_settings::Pulling;
use crate::settings::{Proxy, ProxySettings, TimeoutSettings};
use crate::source::{Finding, Remark, Setting};

mod pull;
mod registry;

pub(crate) use registry::OwnRegistry;

/// The name that stands for every registry which is not named.
pub(crate) const EVERYBODY: &str = "*";

const KEYS: [&str; 13] = [
    "attempts",
    "ca",
    "certs-dirs",
    "daemon-json",
    "downloads",
    "insecure-registries",
    "partials",
    "proxy",
    "pull",
    "registry",
    "root",
    "schema1",
    "timeouts",
];

/// Which `daemon.json` to read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DaemonFile {
    /// None at all.
    None,
    /// This one, which must be there.
    At(PathBuf),
}

/// What the files say. Nothing else is in it: each key that is absent is `None`.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) root: Option<Setting<PathBuf>>,
    pub(crate) downloads: Option<Setting<u64>>,
    pub(crate) attempts: Option<Setting<u64>>,
    pub(crate) schema1: Option<Setting<bool>>,
    pub(crate) insecure: Option<Setting<Vec<String>>>,
    pub(crate) roots: Vec<Setting<Vec<u8>>>,
    pub(crate) proxies: ProxySettings,
    pub(crate) timeouts: TimeoutSettings,
    pub(crate) pull: Pulling,
    pub(crate) certs_dirs: Option<Vec<PathBuf>>,
    pub(crate) daemon_json: Option<DaemonFile>,
    /// By name; [`EVERYBODY`] may be among them.
    pub(crate) registries: BTreeMap<String, OwnRegistry>,
}

/// Reads the text of the `windlass.toml` at `path`, and the files that it names.
pub(crate) fn read(
    path: &Path,
    text: &str,
    findings: &mut Vec<Finding>,
) -> Result<Own, ConfigError> {
    let base = path.parent().unwrap_or(Path::new(""));
    let mut table = Document::parse(path, text)?;
    let mut own = Own::default();
    if let Some(item) = table.take("root") {
        own.root = Some(setting(&item, item.path(base)?));
    }
    if let Some(item) = table.take("downloads") {
        own.downloads = Some(setting(&item, item.number(0, 1000)?));
    }
    if let Some(item) = table.take("attempts") {
        own.attempts = Some(setting(&item, item.number(1, 1000)?));
    }
    if let Some(item) = table.take("schema1") {
        own.schema1 = Some(setting(&item, item.flag()?));
    }
    if let Some(item) = table.take("insecure-registries") {
        own.insecure = Some(insecure(item, findings)?);
    }
    if let Some(item) = table.take("proxy") {
        own.proxies = proxies(item)?;
    }
    if let Some(item) = table.take("timeouts") {
        own.timeouts = timeouts(item.table()?)?;
    }
    if let Some(item) = table.take("pull") {
        pull::read(item.table()?, &mut own)?;
    }
    if let Some(item) = table.take("partials") {
        pull::read_partials(item.table()?, &mut own.pull)?;
    }
    if let Some(item) = table.take("certs-dirs") {
        let elements = item.elements()?;
        let paths = elements.iter().map(|item| item.path(base));
        own.certs_dirs = Some(paths.collect::<Result<_, ConfigError>>()?);
    }
    if let Some(item) = table.take("daemon-json") {
        own.daemon_json = Some(daemon_json(&item, base)?);
    }
    if let Some(item) = table.take("registry") {
        own.registries = registries(item.table()?, base, findings)?;
    }
    // Last, so that what is misspelled is told before what cannot be found.
    let ca = table.take("ca");
    table.refuse_rest(&KEYS)?;
    if let Some(item) = ca {
        own.roots = host_spec::roots(item, base)?;
    }
    Ok(own)
}

impl Own {
    /// Returns what holds if `self` is read after `earlier`: its keys win, certificates add up.
    pub(crate) fn over(self, earlier: Self) -> Self {
        let mut registries = earlier.registries;
        for (name, later) in self.registries {
            let earlier = registries.remove(&name).unwrap_or_default();
            registries.insert(name, later.over(earlier));
        }
        let mut roots = earlier.roots;
        roots.extend(self.roots);
        Self {
            root: self.root.or(earlier.root),
            downloads: self.downloads.or(earlier.downloads),
            attempts: self.attempts.or(earlier.attempts),
            schema1: self.schema1.or(earlier.schema1),
            insecure: self.insecure.or(earlier.insecure),
            roots,
            proxies: self.proxies.over(earlier.proxies),
            timeouts: self.timeouts.over(earlier.timeouts),
            pull: self.pull.over(earlier.pull),
            certs_dirs: self.certs_dirs.or(earlier.certs_dirs),
            daemon_json: self.daemon_json.or(earlier.daemon_json),
            registries,
        }
    }
}

impl ProxySettings {
    /// Returns these settings, and those of `weaker` where there is none.
    pub(crate) fn over(self, weaker: Self) -> Self {
        Self {
            http: self.http.or(weaker.http),
            https: self.https.or(weaker.https),
            no_proxy: self.no_proxy.or(weaker.no_proxy),
        }
    }
}

impl TimeoutSettings {
    fn over(self, weaker: Self) -> Self {
        Self {
            connect: self.connect.or(weaker.connect),
            response: self.response.or(weaker.response),
            stall: self.stall.or(weaker.stall),
            floor: self.floor.or(weaker.floor),
            token: self.token.or(weaker.token),
            ping: self.ping.or(weaker.ping),
        }
    }
}

fn setting<T>(item: &Item<'_>, value: T) -> Setting<T> {
    Setting::new(value, item.origin())
}

/// One bad entry refuses the whole file (EP-8).
fn insecure(
    item: Item<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Setting<Vec<String>>, ConfigError> {
    let origin = item.origin();
    let mut entries = Vec::new();
    for item in item.elements()? {
        let found = address::insecure(item.text()?);
        let found = found.map_err(|problem| item.error(Problem::Insecure(problem)))?;
        if found.had_scheme {
            findings.push(Finding {
                origin: item.origin(),
                key: Some(item.key().to_owned()),
                remark: Remark::SchemeDropped,
            });
        }
        if !entries.contains(&found.entry) {
            entries.push(found.entry);
        }
    }
    Ok(Setting::new(entries, origin))
}

/// Reads `proxy`: one for everything, `direct`, or a table.
fn proxies(item: Item<'_>) -> Result<ProxySettings, ConfigError> {
    if !item.is_table() {
        let proxy = setting(&item, proxy(&item)?);
        return Ok(ProxySettings {
            http: Some(proxy.clone()),
            https: Some(proxy),
            no_proxy: None,
        });
    }
    let mut table = item.table()?;
    let mut proxies = ProxySettings::default();
    if let Some(item) = table.take("http") {
        proxies.http = Some(setting(&item, proxy(&item)?));
    }
    if let Some(item) = table.take("https") {
        proxies.https = Some(setting(&item, proxy(&item)?));
    }
    if let Some(item) = table.take("no-proxy") {
        proxies.no_proxy = Some(no_proxy(item)?);
    }
    table.refuse_rest(&["http", "https", "no-proxy"])?;
    Ok(proxies)
}

fn proxy(item: &Item<'_>) -> Result<Proxy, ConfigError> {
    let text = match item.is_array() {
        true => return Err(item.wrong_type("a string or a table")),
        false => item.some_text()?,
    };
    if text == "direct" {
        return Ok(Proxy::Direct);
    }
    let proxy = address::proxy(text).map_err(|problem| item.error(Problem::Proxy(problem)))?;
    Ok(Proxy::Through(proxy))
}

fn no_proxy(item: Item<'_>) -> Result<Setting<String>, ConfigError> {
    let origin = item.origin();
    let mut hosts = Vec::new();
    for item in item.one_or_more()? {
        hosts.push(item.text()?.to_owned());
    }
    Ok(Setting::new(hosts.join(","), origin))
}

fn timeouts(mut table: Table<'_>) -> Result<TimeoutSettings, ConfigError> {
    let mut time = |key| -> Result<Option<Setting<Duration>>, ConfigError> {
        table.take(key).map(|item| time(&item)).transpose()
    };
    let mut timeouts = TimeoutSettings {
        connect: time("connect")?,
        response: time("response")?,
        stall: time("stall")?,
        floor: None,
        token: time("token")?,
        ping: time("ping")?,
    };
    if let Some(item) = table.take("floor") {
        timeouts.floor = Some(setting(&item, item.number(0, 1 << 30)?));
    }
    table.refuse_rest(&["connect", "floor", "ping", "response", "stall", "token"])?;
    Ok(timeouts)
}

fn time(item: &Item<'_>) -> Result<Setting<Duration>, ConfigError> {
    let time = duration::parse_positive_duration(item.text()?);
    let time = time.map_err(|problem| item.error(Problem::Duration(problem)))?;
    Ok(setting(item, time))
}

fn daemon_json(item: &Item<'_>, base: &Path) -> Result<DaemonFile, ConfigError> {
    match item.flag() {
        Ok(false) => Ok(DaemonFile::None),
        Ok(true) => Err(item.wrong_type("a path or false")),
        Err(_) => Ok(DaemonFile::At(item.path(base)?)),
    }
}

fn registries(
    mut table: Table<'_>,
    base: &Path,
    findings: &mut Vec<Finding>,
) -> Result<BTreeMap<String, OwnRegistry>, ConfigError> {
    let mut registries = BTreeMap::new();
    for item in table.take_all() {
        let name = match item.name() {
            EVERYBODY => EVERYBODY.to_owned(),
            text => address::registry_name(text).ok_or_else(|| {
                let found = sanitize(&address::without_secrets(text));
                item.error(Problem::Registry { found })
            })?,
        };
        match registries.entry(name) {
            Entry::Occupied(_) => return Err(item.error(Problem::SameRegistry)),
            Entry::Vacant(entry) => {
                let registry = registry::read(item, entry.key(), base, findings)?;
                entry.insert(registry);
            }
        }
    }
    Ok(registries)
}

#[cfg(test)]
mod tests;
