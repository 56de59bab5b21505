//! `windlass.toml`, windlass's own file.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use windlass_oci::text::sanitize;

use crate::address;
use crate::error::{ConfigError, ConfigProblem};
use crate::settings::{ReadContext, Settings};
use crate::source::Finding;
use crate::toml_document::{TomlDocument, TomlItem};

mod registry;
mod setting_reader;

pub(crate) use registry::{ANY_REGISTRY, RegistryTable};
pub use registry::{host_key_documentation, registry_key_documentation};
use setting_reader::TomlSettings;

/// The key of the tables of registries.
const REGISTRY: &str = "registry";

/// The content of one or more files.
#[derive(Debug, Default)]
pub(crate) struct WindlassToml {
    pub(crate) settings: Settings,
    /// The tables of registries by name, which may be [`ANY_REGISTRY`].
    pub(crate) registries: BTreeMap<String, RegistryTable>,
}

/// Reads the text of the `windlass.toml` at `path`, and the files that it names.
pub(crate) fn read(
    path: &Path,
    text: &str,
    findings: &mut Vec<Finding>,
) -> Result<WindlassToml, ConfigError> {
    let base = path.parent().unwrap_or(Path::new(""));
    let root = TomlDocument::parse(path, text)?;
    let context = ReadContext { base, findings };
    let mut settings = TomlSettings::new(root, &[REGISTRY], context)?;
    // Registries first, so that an unknown key in them is reported before a file that does not exist.
    let registries = match settings.take(REGISTRY) {
        Some(item) => read_registries(item, base, settings.findings())?,
        None => BTreeMap::new(),
    };
    Ok(WindlassToml {
        registries,
        settings: Settings::read(&mut settings)?,
    })
}

impl WindlassToml {
    /// Returns the content of this file merged with that of an `earlier` file. The keys of this file override those of
    /// the earlier one; certificates add up.
    pub(crate) fn over(self, earlier: Self) -> Self {
        let mut registries = earlier.registries;
        for (name, later) in self.registries {
            let earlier = registries.remove(&name).unwrap_or_default();
            registries.insert(name, later.over(earlier));
        }
        Self {
            settings: self.settings.over(earlier.settings),
            registries,
        }
    }
}

fn read_registries(
    item: TomlItem<'_>,
    base: &Path,
    findings: &mut Vec<Finding>,
) -> Result<BTreeMap<String, RegistryTable>, ConfigError> {
    let mut registries = BTreeMap::new();
    for item in item.table()?.take_all() {
        let name = match item.name() {
            ANY_REGISTRY => ANY_REGISTRY.to_owned(),
            text => address::registry_name(text).ok_or_else(|| {
                let found = sanitize(&address::without_secrets(text));
                item.error(ConfigProblem::Registry { found })
            })?,
        };
        match registries.entry(name) {
            Entry::Occupied(_) => return Err(item.error(ConfigProblem::SameRegistry)),
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
