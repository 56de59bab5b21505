//! What belongs to a setting, and the macro that makes a struct of settings from their definitions.

use std::fmt;
use std::path::Path;

use serde_json::Value;
use windlass_pull::PullerConfig;

use crate::error::ConfigError;
use crate::json_document::JsonEntry;
use crate::source::{FileLocation, Finding, Setting};
use crate::toml_document::TomlItem;

/// What reading a value needs besides the value.
pub(crate) struct ReadContext<'a> {
    /// The directory where relative paths start.
    pub(crate) base: &'a Path,
    /// Receives what is noteworthy and no error.
    pub(crate) findings: &'a mut Vec<Finding>,
}

/// Everything that belongs to one setting, except for its documentation, which is the doc comment of its field.
pub(crate) struct SettingDefinition<T: ValueType> {
    /// The key in a `windlass.toml`, such as `pull.chunk`.
    pub(crate) key: &'static str,
    /// A key from earlier versions that means the same.
    pub(crate) older_key: Option<&'static str>,
    /// A key that sets this setting together with others, if its value is not a table.
    pub(crate) group_key: Option<&'static str>,
    /// The key in a `daemon.json`.
    pub(crate) daemon_json: Option<DaemonJsonKey<T::Value>>,
    /// How the value is read and written.
    pub(crate) value_type: T,
    /// Where the value is used.
    pub(crate) target: SettingTarget<T::Value>,
    /// The default as the documentation describes it. `None` if it is the one of [`PullerConfig`].
    pub(crate) default_text: Option<&'static str>,
    /// How the values of two files are merged.
    pub(crate) merge: MergeFn<T::Value>,
    /// Whether the setting is in the overview of the configuration.
    pub(crate) is_shown: bool,
}

/// The key of a setting in a `daemon.json`.
pub(crate) struct DaemonJsonKey<V> {
    /// The key, such as `proxies.http-proxy`.
    pub(crate) key: &'static str,
    /// Reads the value.
    pub(crate) read: fn(&JsonEntry<'_>, &mut ReadContext<'_>) -> DaemonJsonValue<V>,
}

/// A value in a `daemon.json`. `None` if it means the same as a missing key.
pub(crate) type DaemonJsonValue<V> = Result<Option<V>, ConfigError>;

/// Returns the value that counts if a stronger file and a weaker one have the key.
pub(crate) type MergeFn<V> = fn(stronger: Setting<V>, weaker: Setting<V>) -> Setting<V>;

/// Where the value of a setting is used.
pub(crate) enum SettingTarget<V: 'static> {
    /// This field of the engine's configuration has the value.
    Field(fn(&mut PullerConfig) -> &mut V),
    /// The second function adds the value to this field of the engine's configuration.
    List(fn(&mut PullerConfig) -> &mut V, fn(&mut V, &V)),
    /// The value is not part of the engine's configuration. It is used while the configuration is read, or by the
    /// program that opens the engine.
    Program,
}

/// How the values of one type are read, shown and documented.
pub(crate) trait ValueType {
    /// The type of the value.
    type Value: Clone + fmt::Debug + PartialEq + 'static;

    /// Reads the value of a key in a `windlass.toml`.
    fn read(
        &self,
        item: TomlItem<'_>,
        context: &mut ReadContext<'_>,
    ) -> Result<Self::Value, ConfigError>;

    /// Returns the value for programs, without secrets.
    fn to_json(&self, value: &Self::Value) -> Value;

    /// Returns the value for programs if no file sets it.
    fn unset_to_json(&self, value: &Self::Value) -> Value {
        self.to_json(value)
    }

    /// Returns the value for people, without secrets, and if possible as it would be written in a file.
    fn to_text(&self, value: &Self::Value) -> String {
        plain_text(&self.to_json(value))
    }

    /// Returns which values can be written in a file, in Markdown.
    fn syntax(&self) -> String;

    /// Returns the file and line to show for a value. `None` if the value itself shows where it comes from.
    fn origin<'a>(&self, setting: &'a Setting<Self::Value>) -> Option<&'a FileLocation> {
        Some(&setting.origin)
    }
}

/// Reads each setting from one source.
pub(crate) trait SettingReader {
    /// Returns the value of the setting. `None` if the source does not have it.
    fn read<T: ValueType>(
        &mut self,
        definition: &SettingDefinition<T>,
    ) -> Result<Option<Setting<T::Value>>, ConfigError>;
}

/// Does the same with each setting.
pub(crate) trait SettingVisitor {
    /// Uses a setting and its value. `description` is one sentence in Markdown.
    fn visit<T: ValueType>(
        &mut self,
        definition: &SettingDefinition<T>,
        value: Option<&Setting<T::Value>>,
        description: &'static str,
    );
}

impl<T: ValueType> SettingDefinition<T> {
    /// Returns the definition of the setting `key`, which only a `windlass.toml` has.
    pub(crate) fn new(key: &'static str, value_type: T, target: SettingTarget<T::Value>) -> Self {
        Self {
            key,
            older_key: None,
            group_key: None,
            daemon_json: None,
            value_type,
            target,
            default_text: None,
            merge: |stronger, _| stronger,
            is_shown: true,
        }
    }

    /// Leaves the setting out of the overview of the configuration, which lists the files that were read anyway.
    pub(crate) fn hidden(self) -> Self {
        let is_shown = false;
        Self { is_shown, ..self }
    }

    /// Sets the key from earlier versions that means the same.
    pub(crate) fn older_key(self, key: &'static str) -> Self {
        let older_key = Some(key);
        Self { older_key, ..self }
    }

    /// Sets the key that sets this setting together with others.
    pub(crate) fn group_key(self, key: &'static str) -> Self {
        let group_key = Some(key);
        Self { group_key, ..self }
    }

    /// Sets the key in a `daemon.json`, and how its value is read.
    pub(crate) fn daemon_json(
        self,
        key: &'static str,
        read: fn(&JsonEntry<'_>, &mut ReadContext<'_>) -> DaemonJsonValue<T::Value>,
    ) -> Self {
        let daemon_json = Some(DaemonJsonKey { key, read });
        Self {
            daemon_json,
            ..self
        }
    }

    /// Sets how the documentation describes the default, in Markdown.
    pub(crate) fn default_text(self, text: &'static str) -> Self {
        let default_text = Some(text);
        Self {
            default_text,
            ..self
        }
    }

    /// Sets how the values of two files are merged. Otherwise the one of the stronger file counts.
    pub(crate) fn merge(self, merge: MergeFn<T::Value>) -> Self {
        Self { merge, ..self }
    }

    /// Returns the value that counts if a stronger and a weaker file are read.
    pub(crate) fn merged(
        &self,
        stronger: Option<Setting<T::Value>>,
        weaker: Option<Setting<T::Value>>,
    ) -> Option<Setting<T::Value>> {
        match (stronger, weaker) {
            (Some(stronger), Some(weaker)) => Some((self.merge)(stronger, weaker)),
            (stronger, weaker) => stronger.or(weaker),
        }
    }

    /// Returns the value of the field in `config` that this setting is about, if there is one.
    pub(crate) fn value_in(&self, config: &mut PullerConfig) -> Option<T::Value> {
        match &self.target {
            SettingTarget::Field(field) | SettingTarget::List(field, _) => {
                Some(field(config).clone())
            }
            SettingTarget::Program => None,
        }
    }
}

/// Returns a JSON value as people read it: without quotes, and a list with commas.
pub(crate) fn plain_text(value: &Value) -> String {
    let element = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Null => "-".to_owned(),
        Value::Array(elements) if elements.is_empty() => "-".to_owned(),
        Value::Array(elements) => elements.iter().map(element).collect::<Vec<_>>().join(", "),
        other => element(other),
    }
}

/// Defines a struct of settings. Each field is written as `name: type = definition;` after its documentation, and
/// the struct has it as `Option<Setting<type>>`, which is `None` if no file has the key.
macro_rules! define_settings {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident {
            $($(#[doc = $documentation:literal])+ $field:ident: $value:ty = $definition:expr;)+
        }
    ) => {
        $(#[$attribute])*
        pub struct $name {
            $($(#[doc = $documentation])+ pub $field: Option<Setting<$value>>,)+
        }

        impl $name {
            $(fn $field() -> SettingDefinition<impl ValueType<Value = $value>> {
                $definition
            })+

            /// Reads all settings, in the order of their definitions.
            pub(crate) fn read(reader: &mut impl SettingReader) -> Result<Self, ConfigError> {
                Ok(Self { $($field: reader.read(&Self::$field())?,)+ })
            }

            /// Returns these settings, with those of a weaker file added.
            pub(crate) fn over(self, weaker: Self) -> Self {
                Self { $($field: Self::$field().merged(self.$field, weaker.$field),)+ }
            }

            /// Passes all settings to `visitor`, in the order of their definitions.
            pub(crate) fn visit(&self, visitor: &mut impl SettingVisitor) {
                $(visitor.visit(
                    &Self::$field(),
                    self.$field.as_ref(),
                    concat!($($documentation),+).trim_ascii(),
                );)+
            }
        }
    };
}

pub(crate) use define_settings;
