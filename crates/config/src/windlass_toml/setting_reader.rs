//! Reads settings from a `windlass.toml`.

use std::collections::BTreeMap;

use crate::error::{ConfigError, ConfigProblem};
use crate::settings::{
    ReadContext, SettingDefinition, SettingReader, SettingVisitor, Settings, ValueType,
};
use crate::source::{Finding, Setting};
use crate::toml_document::{TomlItem, TomlTable};

/// The settings in a `windlass.toml`, by table.
pub(crate) struct TomlSettings<'a, 'b> {
    root: TomlTable<'a>,
    /// The tables with settings, by name.
    tables: BTreeMap<&'static str, TomlTable<'a>>,
    /// What has the name of a table, and is a value that sets several of its keys.
    groups: BTreeMap<&'static str, TomlItem<'a>>,
    context: ReadContext<'b>,
}

/// The names of all keys in a `windlass.toml`, by table. The empty string is the table at the root.
struct KnownKeys {
    names: BTreeMap<&'static str, Vec<&'static str>>,
    groups: Vec<&'static str>,
}

impl<'a, 'b> TomlSettings<'a, 'b> {
    /// Returns the settings in the file with the table `root`, which may have `other_keys`, too.
    ///
    /// # Errors
    /// If there is an unknown key: a misspelled key is reported before an invalid value or a missing file.
    pub(crate) fn new(
        mut root: TomlTable<'a>,
        other_keys: &[&'static str],
        context: ReadContext<'b>,
    ) -> Result<Self, ConfigError> {
        let mut known = KnownKeys::collect();
        let mut root_keys = known.names.remove("").unwrap_or_default();
        let (mut tables, mut groups) = (BTreeMap::new(), BTreeMap::new());
        for (name, keys) in &known.names {
            root_keys.push(name);
            let Some(item) = root.take(name) else {
                continue;
            };
            if known.groups.contains(name) && !item.is_table() {
                groups.insert(*name, item);
                continue;
            }
            let table = item.table()?;
            table.reject_unknown_keys(keys)?;
            tables.insert(*name, table);
        }
        root_keys.extend(other_keys);
        root.reject_unknown_keys(&root_keys)?;
        Ok(Self {
            root,
            tables,
            groups,
            context,
        })
    }

    /// Returns where findings are added.
    pub(crate) fn findings(&mut self) -> &mut Vec<Finding> {
        self.context.findings
    }

    /// Takes out the value of a key, such as `root` or `pull.chunk`, if there is one.
    pub(crate) fn take(&mut self, key: &str) -> Option<TomlItem<'a>> {
        match key.split_once('.') {
            Some((table, name)) => self.tables.get_mut(table)?.take(name),
            None => self.root.take(key),
        }
    }
}

impl SettingReader for TomlSettings<'_, '_> {
    fn read<T: ValueType>(
        &mut self,
        definition: &SettingDefinition<T>,
    ) -> Result<Option<Setting<T::Value>>, ConfigError> {
        let mut item = self.take(definition.key);
        if let Some(other) = definition.older_key
            && let Some(older) = self.take(other)
        {
            if let Some(newer) = item {
                return Err(newer.error(ConfigProblem::SetTwice { other }));
            }
            item = Some(older);
        }
        let group = definition.group_key.and_then(|key| self.groups.get(key));
        let Some(item) = item.or_else(|| group.cloned()) else {
            return Ok(None);
        };
        let origin = item.origin();
        let value = definition.value_type.read(item, &mut self.context)?;
        Ok(Some(Setting::new(value, origin)))
    }
}

impl KnownKeys {
    fn collect() -> Self {
        let mut known = Self {
            names: BTreeMap::new(),
            groups: Vec::new(),
        };
        Settings::default().visit(&mut known);
        known
    }
}

impl SettingVisitor for KnownKeys {
    fn visit<T: ValueType>(
        &mut self,
        definition: &SettingDefinition<T>,
        _: Option<&Setting<T::Value>>,
        _: &'static str,
    ) {
        let keys = [Some(definition.key), definition.older_key];
        for key in keys.into_iter().flatten() {
            let (table, name) = key.split_once('.').unwrap_or(("", key));
            self.names.entry(table).or_default().push(name);
        }
        self.groups.extend(definition.group_key);
    }
}
