//! The reference of all settings, which `docs/configuration.md` contains.

use windlass_pull::PullerConfig;

use super::Settings;
use super::definition::{SettingDefinition, SettingVisitor, ValueType};
use crate::source::Setting;

/// What the documentation contains about one setting, in Markdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingReference {
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
    pub documentation: &'static str,
}

/// Returns the reference of all settings, in the order in which they are documented.
pub fn setting_references() -> Vec<SettingReference> {
    let mut references = ReferenceCollector {
        defaults: PullerConfig::default(),
        settings: Vec::new(),
    };
    Settings::default().visit(&mut references);
    references.settings
}

struct ReferenceCollector {
    defaults: PullerConfig,
    settings: Vec<SettingReference>,
}

impl SettingVisitor for ReferenceCollector {
    fn visit<T: ValueType>(
        &mut self,
        definition: &SettingDefinition<T>,
        _: Option<&Setting<T::Value>>,
        documentation: &'static str,
    ) {
        let default = match definition.default_text {
            Some(text) => text.to_owned(),
            None => match definition.value_in(&mut self.defaults) {
                Some(value) => in_toml(&definition.value_type.to_text(&value)),
                None => "none".to_owned(),
            },
        };
        self.settings.push(SettingReference {
            key: definition.key,
            older_key: definition.older_key,
            daemon_json_key: definition.daemon_json.as_ref().map(|source| source.key),
            syntax: definition.value_type.syntax(),
            default,
            documentation,
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
