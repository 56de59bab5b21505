//! Reads the `daemon.json` of windlass's own daemon. Unlike in Docker's file, an unknown key is an error.

mod unused_keys;

use std::collections::BTreeMap;
use std::path::Path;

use crate::daemon_json::{DaemonJson, MIRRORS};
use crate::daemon_settings::{DaemonSettings, daemon_setting_documentation};
use crate::documentation::setting_documentation;
use crate::error::{ConfigError, ConfigProblem};
use crate::json_document::{JsonDocument, JsonEntry};
use crate::source::{FileLocation, Finding, FindingKind, Setting};
use crate::spelling::nearest;
use unused_keys::UNUSED_KEYS;

/// The content of the daemon's own `daemon.json`.
#[derive(Debug)]
pub(crate) struct DaemonFile {
    /// The settings of the daemon itself.
    pub(crate) settings: DaemonSettings,
    /// The settings of registries and pulls.
    pub(crate) daemon_json: DaemonJson,
    /// The keys in the file, as they are written there.
    pub(crate) keys: Vec<Setting<String>>,
}

/// Reads the text of the daemon's own `daemon.json` at `path`.
pub(crate) fn read(
    path: &Path,
    text: &str,
    findings: &mut Vec<Finding>,
) -> Result<DaemonFile, ConfigError> {
    let document = JsonDocument::parse(path, text)?;
    reject_unknown_keys(&document)?;
    findings.extend(unused_keys_finding(&document));
    let keys = document
        .all_entries()
        .map(|entry| Setting::new(entry.name().to_owned(), entry.origin()));
    Ok(DaemonFile {
        keys: keys.collect(),
        settings: DaemonSettings::read(&document)?,
        daemon_json: DaemonJson::read(&document, findings)?,
    })
}

/// Returns the keys that have an effect, by the object that they are in. The empty string is the outermost object.
fn known_keys() -> BTreeMap<&'static str, Vec<&'static str>> {
    let settings = setting_documentation();
    let settings = settings
        .iter()
        .filter_map(|setting| setting.daemon_json_key);
    let daemon = daemon_setting_documentation();
    let daemon = daemon.iter().map(|setting| setting.key);
    let mut known: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for key in settings.chain(daemon).chain([MIRRORS]) {
        let (object, name) = key.split_once('.').unwrap_or(("", key));
        known.entry(object).or_default().push(name);
    }
    let objects: Vec<_> = known
        .keys()
        .copied()
        .filter(|key| !key.is_empty())
        .collect();
    known.entry("").or_default().extend(objects);
    known
}

fn reject_unknown_keys(document: &JsonDocument<'_>) -> Result<(), ConfigError> {
    let known = known_keys();
    let reject = |entry: &JsonEntry<'_>, object: &str| {
        let keys = known.get(object).map_or(&[][..], Vec::as_slice);
        if keys.contains(&entry.name()) {
            return Ok(());
        }
        let nearest = nearest(entry.name(), keys);
        Err(entry.error(ConfigProblem::UnknownKey { nearest }))
    };
    for entry in document.all_entries() {
        if !UNUSED_KEYS.contains(&entry.name()) {
            reject(&entry, "")?;
        }
        if known.contains_key(entry.name()) && entry.is_object() {
            for inner in entry.entries()? {
                reject(&inner, entry.name())?;
            }
        }
    }
    Ok(())
}

/// Returns one finding for all keys without effect.
fn unused_keys_finding(document: &JsonDocument<'_>) -> Option<Finding> {
    let unused = document.all_entries().map(|entry| entry.name());
    let unused: Vec<_> = unused.filter(|key| UNUSED_KEYS.contains(key)).collect();
    (!unused.is_empty()).then(|| Finding {
        origin: FileLocation::file(document.path()),
        key: Some(unused.join(", ")),
        kind: FindingKind::UnusedDockerKeys,
    })
}

#[cfg(test)]
mod tests;
