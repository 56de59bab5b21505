//! The tables of settings and keys in the documentation: `docs/configuration.md` and `docs/daemon.md`.

use windlass_pull::PullerConfig;

use crate::settings::{SettingDefinition, SettingVisitor, Settings, ValueType};
use crate::source::Setting;

/// What the documentation contains about one setting, in Markdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDocumentation {
    /// The key in a `windlass.toml`, such as `pull.chunk`.
    pub key: &'static str,
    /// A key from earlier versions that means the same.
    pub older_key: Option<&'static str>,
    /// The key in a `daemon.json`.
    pub daemon_json_key: Option<&'static str>,
    /// The values that can be written, such as `size, "64KiB" to "1GiB"`.
    pub syntax: String,
    /// The value that is used if no file has the key.
    pub default: String,
    /// What the setting is for.
    pub description: &'static str,
}

/// What the documentation contains about one key of a registry or a host, in Markdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryKeyDocumentation {
    /// The key in the table.
    pub key: &'static str,
    /// The values that can be written.
    pub syntax: &'static str,
    /// The value that is used without the key.
    pub default: &'static str,
    /// What the key is for.
    pub description: &'static str,
}

/// Returns the documentation of all settings, in the order in which they are documented.
pub fn setting_documentation() -> Vec<SettingDocumentation> {
    let mut collector = DocumentationCollector {
        defaults: PullerConfig::default(),
        settings: Vec::new(),
    };
    Settings::default().visit(&mut collector);
    collector.settings
}

struct DocumentationCollector {
    defaults: PullerConfig,
    settings: Vec<SettingDocumentation>,
}

impl SettingVisitor for DocumentationCollector {
    fn visit<T: ValueType>(
        &mut self,
        definition: &SettingDefinition<T>,
        _: Option<&Setting<T::Value>>,
        description: &'static str,
    ) {
        let default = match definition.default_text {
            Some(text) => text.to_owned(),
            None => match definition.value_in(&mut self.defaults) {
                Some(value) => in_toml(&definition.value_type.to_text(&value)),
                None => "none".to_owned(),
            },
        };
        self.settings.push(SettingDocumentation {
            key: definition.key,
            older_key: definition.older_key,
            daemon_json_key: definition.daemon_json.as_ref().map(|source| source.key),
            syntax: definition.value_type.syntax(),
            default,
            description,
        });
    }
}

/// Returns a default as it would be written in a file: numbers and `true` or `false` have no quotation marks.
fn in_toml(text: &str) -> String {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "-" => "none".to_owned(),
        "true" | "false" => format!("`{text}`"),
        _ if is_number => format!("`{text}`"),
        _ => format!("`\"{text}\"`"),
    }
}
