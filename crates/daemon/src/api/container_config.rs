//! The container configuration of an image, with the types that clients require.
//!
//! The store keeps the config of an image byte for byte, and a field of the wrong type counts as absent (T20). Docker's
//! clients are written in Go and fail at the first such field, also in other capitals. So each field of Docker's structure
//! is sent with its type or left out; other fields are sent as they are.

use serde_json::{Map, Value};

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldType {
    Text,
    Boolean,
    /// In nanoseconds or seconds, or a count.
    Integer,
    Texts,
    /// Texts. A single text is a list of one, as in Docker up to version 25.
    Words,
    /// An object whose keys count; its values are objects.
    Set,
    /// An object with texts.
    Labels,
    HealthCheck,
}

use FieldType::{Boolean, HealthCheck, Integer, Labels, Set, Text, Texts, Words};

const FIELDS: &[(&str, FieldType)] = &[
    ("ArgsEscaped", Boolean),
    ("AttachStderr", Boolean),
    ("AttachStdin", Boolean),
    ("AttachStdout", Boolean),
    ("Cmd", Words),
    ("Domainname", Text),
    ("Entrypoint", Words),
    ("Env", Texts),
    ("ExposedPorts", Set),
    ("Healthcheck", HealthCheck),
    ("Hostname", Text),
    ("Image", Text),
    ("Labels", Labels),
    ("MacAddress", Text),
    ("NetworkDisabled", Boolean),
    ("OnBuild", Texts),
    ("OpenStdin", Boolean),
    ("Shell", Words),
    ("StdinOnce", Boolean),
    ("StopSignal", Text),
    ("StopTimeout", Integer),
    ("Tty", Boolean),
    ("User", Text),
    ("Volumes", Set),
    ("WorkingDir", Text),
];

const HEALTH_FIELDS: &[(&str, FieldType)] = &[
    ("Interval", Integer),
    ("Retries", Integer),
    ("StartInterval", Integer),
    ("StartPeriod", Integer),
    ("Test", Words),
    ("Timeout", Integer),
];

/// Returns the fields of `config` that have the right type.
pub(super) fn typed(config: &Map<String, Value>) -> Map<String, Value> {
    typed_fields(config, FIELDS)
}

fn typed_fields(object: &Map<String, Value>, fields: &[(&str, FieldType)]) -> Map<String, Value> {
    let typed = object.iter().filter_map(|(key, value)| {
        // Go compares keys without regard to case, also with characters such as the Kelvin sign.
        let known = fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key));
        let value = match known {
            Some((name, field)) if name == key => field.read(value)?,
            None if key.is_ascii() => value.clone(),
            Some(_) | None => return None,
        };
        Some((key.clone(), value))
    });
    typed.collect()
}

impl FieldType {
    /// Returns `value` if it is of this type, or converted to it.
    fn read(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (_, Value::Null) | (Text, Value::String(_)) | (Boolean, Value::Bool(_)) => {
                Some(value.clone())
            }
            (Integer, Value::Number(number)) => number.as_i64().map(Value::from),
            (Words, Value::String(_)) => Some(Value::from(vec![value.clone()])),
            (Texts | Words, Value::Array(texts)) => {
                texts.iter().all(Value::is_string).then(|| value.clone())
            }
            (Set, Value::Object(keys)) => {
                let empty = |key: &String| (key.clone(), Value::Object(Map::new()));
                Some(Value::Object(keys.keys().map(empty).collect()))
            }
            (Labels, Value::Object(labels)) => {
                let texts = labels.iter().filter(|(_, value)| value.is_string());
                let texts = texts.map(|(key, value)| (key.clone(), value.clone()));
                Some(Value::Object(texts.collect()))
            }
            (HealthCheck, Value::Object(check)) => {
                Some(Value::Object(typed_fields(check, HEALTH_FIELDS)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn typed_json(config: Value) -> Value {
        let Value::Object(config) = config else {
            panic!("an object");
        };
        Value::Object(typed(&config))
    }

    #[test]
    fn a_valid_config_is_unchanged() {
        let config = json!({
            "User": "1:1", "Env": ["A=1"], "Cmd": ["sh"], "Entrypoint": null, "Labels": {"a": "1"},
            "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "StopTimeout": 5, "Tty": true,
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30_000_000_000_i64, "Retries": 3},
            "Extra": [1],
        });
        assert_eq!(typed_json(config.clone()), config);
    }

    #[test]
    fn a_text_is_a_list_of_one() {
        let config = json!({"Entrypoint": "/a b", "Cmd": "c", "Shell": "sh"});
        let expected = json!({"Entrypoint": ["/a b"], "Cmd": ["c"], "Shell": ["sh"]});
        assert_eq!(typed_json(config), expected);
    }

    /// Each of these makes a client in Go fail.
    #[test]
    fn fields_of_the_wrong_type_are_left_out() {
        for field in FIELDS.iter().map(|(name, _)| name) {
            let odd = [json!(1.5), json!([1]), json!({"test": 1}), json!([["a"]])];
            for value in odd {
                let typed = typed_json(json!({ *field: value.clone() }));
                let left = typed.get(field).cloned();
                let harmless = [json!({}), json!({"test": {}})];
                assert!(
                    left.is_none_or(|left| harmless.contains(&left)),
                    "{field}: {value}"
                );
            }
            let lower = field.to_lowercase();
            assert_eq!(typed_json(json!({ lower: 1.5 })), json!({}), "{field}");
        }
        assert_eq!(
            typed_json(json!({"Labels": {"a": 1, "b": "2"}})),
            json!({"Labels": {"b": "2"}})
        );
        assert_eq!(
            typed_json(json!({"Volume\u{17f}": 1, "\u{212a}": 1})),
            json!({})
        );
        let check = json!({"Healthcheck": {"Test": 1, "Retries": 1.5, "interval": "x"}});
        assert_eq!(typed_json(check), json!({"Healthcheck": {}}));
    }
}
