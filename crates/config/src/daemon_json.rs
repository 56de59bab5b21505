//! `daemon.json`: Docker's, and the one of windlass's own daemon, which has the same keys.

mod daemon_settings;
mod entry;
mod json;
mod unused_keys;

use std::path::Path;

use url::Url;
use windlass_registry::Secret;

use crate::address;
use crate::error::{ConfigError, ConfigProblem};
use crate::settings::{
    DaemonJsonValue, ReadContext, SettingDefinition, SettingReader, Settings, ValueType,
};
use crate::source::{Finding, FindingKind, Setting};
use entry::JsonFile;

pub(crate) use daemon_settings::{DaemonFile, read as read_daemon_file};
pub use daemon_settings::{
    DaemonSettingReference, DaemonSettings, LogFormat, LogLevel, WordError,
    daemon_setting_references,
};
pub(crate) use entry::JsonEntry;

/// The key with the mirrors of Docker Hub, which are not a setting of their own but hosts of a registry.
const MIRRORS: &str = "registry-mirrors";

/// What a `daemon.json` contains about registries and pulls.
#[derive(Debug, Default)]
pub(crate) struct DaemonJson {
    pub(crate) settings: Settings,
    /// The mirrors of Docker Hub (EP-2); `None` if there is none.
    pub(crate) mirrors: Option<Setting<Vec<Url>>>,
}

/// Reads the text of Docker's `daemon.json` at `path`. Keys that have no effect on windlass are ignored, and errors
/// have no position.
pub(crate) fn read_docker_file(
    path: &Path,
    text: &str,
    findings: &mut Vec<Finding>,
) -> Result<DaemonJson, ConfigError> {
    let file = JsonFile::parse(path, text)?.without_positions();
    DaemonJson::read(&file, findings)
}

impl DaemonJson {
    fn read(file: &JsonFile<'_>, findings: &mut Vec<Finding>) -> Result<Self, ConfigError> {
        let context = ReadContext {
            base: file.directory(),
            findings,
        };
        let mirrors = file.entry(MIRRORS)?;
        Ok(Self {
            mirrors: mirrors
                .map(|entry| read_mirrors(&entry))
                .transpose()?
                .filter(|mirrors| !mirrors.value.is_empty()),
            settings: Settings::read(&mut JsonSettings { file, context })?,
        })
    }

    /// Returns these settings, with those of a weaker file added.
    pub(crate) fn over(self, weaker: Self) -> Self {
        Self {
            settings: self.settings.over(weaker.settings),
            mirrors: self.mirrors.or(weaker.mirrors),
        }
    }
}

/// The settings in a `daemon.json`.
struct JsonSettings<'a> {
    file: &'a JsonFile<'a>,
    context: ReadContext<'a>,
}

impl SettingReader for JsonSettings<'_> {
    fn read<T: ValueType>(
        &mut self,
        definition: &SettingDefinition<T>,
    ) -> Result<Option<Setting<T::Value>>, ConfigError> {
        let Some(source) = &definition.daemon_json else {
            return Ok(None);
        };
        let Some(entry) = self.file.entry(source.key)? else {
            return Ok(None);
        };
        let value = (source.read)(&entry, &mut self.context)?;
        Ok(value.map(|value| Setting::new(value, entry.origin())))
    }
}

fn read_mirrors(entry: &JsonEntry<'_>) -> Result<Setting<Vec<Url>>, ConfigError> {
    let mut mirrors = Vec::new();
    for element in entry.elements()? {
        let url = address::host(element.text()?);
        let url = url.map_err(|problem| element.error(ConfigProblem::Url(problem)))?;
        if !mirrors.contains(&url) {
            mirrors.push(url);
        }
    }
    Ok(Setting::new(mirrors, entry.origin()))
}

/// Reads a list of insecure registries. One invalid element makes the whole file invalid (EP-8).
pub(crate) fn insecure_registries(
    entry: &JsonEntry<'_>,
    context: &mut ReadContext<'_>,
) -> DaemonJsonValue<Vec<String>> {
    let mut registries = Vec::new();
    let origin = entry.origin();
    for element in entry.elements()? {
        let parsed = address::insecure(element.text()?);
        let parsed = parsed.map_err(|problem| element.error(ConfigProblem::Insecure(problem)))?;
        if parsed.had_scheme {
            context.findings.push(Finding {
                origin: origin.clone(),
                key: Some(entry.key()),
                kind: FindingKind::SchemeDropped,
            });
        }
        if !registries.contains(&parsed.entry) {
            registries.push(parsed.entry);
        }
    }
    Ok(Some(registries))
}

/// Reads the address of a proxy. To Docker an empty text is the same as a missing key.
pub(crate) fn proxy(
    entry: &JsonEntry<'_>,
    _: &mut ReadContext<'_>,
) -> DaemonJsonValue<Option<Secret>> {
    if entry.text()?.is_empty() {
        return Ok(None);
    }
    let proxy = address::proxy(entry.text()?);
    proxy
        .map(|proxy| Some(Some(proxy)))
        .map_err(|problem| entry.error(ConfigProblem::Proxy(problem)))
}

/// Reads the hosts that no proxy is used for. To Docker an empty text is the same as a missing key.
pub(crate) fn no_proxy(
    entry: &JsonEntry<'_>,
    _: &mut ReadContext<'_>,
) -> DaemonJsonValue<Option<String>> {
    let hosts = entry.text()?;
    Ok((!hosts.is_empty()).then(|| Some(hosts.to_owned())))
}

#[cfg(test)]
mod tests;
