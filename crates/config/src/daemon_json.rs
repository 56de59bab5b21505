//! `daemon.json`, in Docker's format: the settings of registries and pulls, and the mirrors of Docker Hub.
//!
//! The file of windlass's own daemon has the same keys, and those of `daemon_settings.rs`.

use std::path::Path;

use url::Url;

use crate::address;
use crate::error::{ConfigError, ConfigProblem};
use crate::json_document::{JsonDocument, JsonEntry};
use crate::settings::{ReadContext, SettingDefinition, SettingReader, Settings, ValueType};
use crate::source::{Finding, Setting};

/// The key with the mirrors of Docker Hub, which are not a setting of their own but hosts of a registry.
pub(crate) const MIRRORS: &str = "registry-mirrors";

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
    let document = JsonDocument::parse(path, text)?.without_positions();
    DaemonJson::read(&document, findings)
}

impl DaemonJson {
    /// Reads the keys about registries and pulls, and ignores all others.
    pub(crate) fn read(
        document: &JsonDocument<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<Self, ConfigError> {
        let context = ReadContext {
            base: document.directory(),
            findings,
        };
        let mirrors = document.entry(MIRRORS)?;
        Ok(Self {
            mirrors: mirrors
                .map(|entry| read_mirrors(&entry))
                .transpose()?
                .filter(|mirrors| !mirrors.value.is_empty()),
            settings: Settings::read(&mut JsonSettings { document, context })?,
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
    document: &'a JsonDocument<'a>,
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
        let Some(entry) = self.document.entry(source.key)? else {
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

#[cfg(test)]
mod tests;
