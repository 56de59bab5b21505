//! Values: those of JSON, and Go's structs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

use windlass_oci::text::escape;

/// A value. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Go's nil: a missing key of a map, or JSON's `null`.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Text(TextValue),
    /// A slice.
    List(ListValue),
    /// A map with string keys.
    Map(MapValue),
    /// A struct.
    Struct(StructValue),
}

/// A text, and whether it is escaped where it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextValue {
    text: Arc<str>,
    is_guarded: bool,
}

/// A slice.
#[derive(Clone, Debug, PartialEq)]
pub struct ListValue {
    pub(crate) items: Arc<[Value]>,
    /// Whether it is a nil slice, which is `null` in JSON.
    is_null: bool,
}

/// A map: a missing key has the value nil.
#[derive(Clone, Debug, PartialEq)]
pub struct MapValue {
    pub(crate) entries: Arc<BTreeMap<String, Value>>,
    /// Whether all values are texts, so that `index` returns an empty text for a missing key.
    is_of_texts: bool,
    is_null: bool,
    pub(crate) is_guarded: bool,
}

/// A struct: a missing field is an error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StructValue {
    pub(crate) fields: Arc<Vec<StructField>>,
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq)]
pub struct StructField {
    /// The name that templates use.
    pub name: String,
    /// The value of the field.
    pub value: Value,
    /// Whether the field is only accessible by name, and omitted from JSON and the printed struct.
    pub is_hidden: bool,
}

impl Value {
    /// Converts `json`. `guarded` states whether its texts are escaped where they are printed.
    pub fn from_json(json: Json, guarded: bool) -> Self {
        match json {
            Json::Null => Self::Nil,
            Json::Bool(bool) => Self::Bool(bool),
            Json::Number(number) => match number.as_i64() {
                Some(int) => Self::Int(int),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::text(&text, guarded),
            Json::Array(items) => {
                Self::list(items.into_iter().map(|item| Self::from_json(item, guarded)))
            }
            Json::Object(entries) => {
                let is_of_texts = !entries.is_empty() && entries.values().all(Json::is_string);
                let entries = { entries.into_iter() }
                    .map(|(key, value)| (key, Self::from_json(value, guarded)));
                Self::Map(MapValue {
                    entries: Arc::new(entries.collect()),
                    is_of_texts,
                    is_null: false,
                    is_guarded: guarded,
                })
            }
        }
    }

    /// Makes a text from a remote source. `guarded` states whether it is escaped where it is printed.
    pub fn text(text: &str, guarded: bool) -> Self {
        Self::Text(TextValue::new(text, guarded))
    }

    /// Makes a text that is printable already or comes from the user.
    pub fn plain(text: &str) -> Self {
        Self::text(text, false)
    }

    /// Makes a list of `items`.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(ListValue {
            items: items.into_iter().collect(),
            is_null: false,
        })
    }

    /// Makes a nil slice: it is empty, and `null` in JSON.
    pub fn no_list() -> Self {
        Self::List(ListValue {
            items: [].into(),
            is_null: true,
        })
    }

    /// Makes a nil map.
    pub fn no_map(is_of_texts: bool) -> Self {
        Self::Map(MapValue {
            entries: Arc::default(),
            is_of_texts,
            is_null: true,
            is_guarded: false,
        })
    }

    /// Returns whether the value is true in a condition: neither nil, false, zero nor empty.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(bool) => *bool,
            Self::Int(int) => *int != 0,
            Self::Float(float) => *float != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Struct(_) => true,
        }
    }

    /// Returns the name of the type, with an article, for error messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Struct(_) => "a struct",
        }
    }
}

impl TextValue {
    pub(crate) fn new(text: &str, is_guarded: bool) -> Self {
        Self {
            text: text.into(),
            is_guarded,
        }
    }

    /// Makes a text that is derived from this one.
    pub(crate) fn with(&self, text: &str) -> Self {
        Self::new(text, self.is_guarded)
    }

    /// Returns the text without escapes.
    pub(crate) fn raw(&self) -> &str {
        &self.text
    }

    /// Returns the text as it is printed.
    pub(crate) fn shown(&self) -> std::borrow::Cow<'_, str> {
        shown(&self.text, self.is_guarded)
    }

    /// Returns at most `most` characters of the text as it is printed.
    pub(crate) fn shown_start(&self, most: usize) -> String {
        // A character is printed as one or several.
        let end = self.text.char_indices().nth(most);
        let start = &self.text[..end.map_or(self.text.len(), |(end, _)| end)];
        shown(start, self.is_guarded).chars().take(most).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn is_guarded(&self) -> bool {
        self.is_guarded
    }
}

/// Returns `text` as it is printed (R9).
pub(crate) fn shown(text: &str, is_guarded: bool) -> std::borrow::Cow<'_, str> {
    if is_guarded {
        escape(text)
    } else {
        text.into()
    }
}

impl MapValue {
    /// Returns the value of `key`, or nil.
    pub(crate) fn get(&self, key: &str) -> Value {
        self.entries.get(key).cloned().unwrap_or(Value::Nil)
    }

    /// Returns the value of `key` as Go's `index` does: the zero value for a missing key.
    pub(crate) fn index(&self, key: &str) -> Value {
        match self.get(key) {
            Value::Nil if self.is_of_texts => Value::plain(""),
            value => value,
        }
    }

    /// Replaces every value by an empty struct, which is a set in Go.
    pub fn into_set(self) -> Value {
        let entries = self.entries.keys();
        let entries = entries.map(|key| (key.clone(), Value::Struct(StructValue::default())));
        Value::Map(Self {
            entries: Arc::new(entries.collect()),
            ..self
        })
    }

    /// Declares the type `map[string]string`, which an empty map does not show.
    pub fn of_texts(self) -> Value {
        Value::Map(Self {
            is_of_texts: self.is_of_texts || self.entries.is_empty(),
            ..self
        })
    }
}

impl StructValue {
    /// Makes a struct with `fields` in this order.
    pub fn new(fields: Vec<StructField>) -> Self {
        Self {
            fields: Arc::new(fields),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let field = self.fields.iter().find(|field| field.name == name);
        field.map(|field| &field.value)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.name.clone()).collect()
    }

    pub(crate) fn shown(&self) -> impl Iterator<Item = &StructField> {
        self.fields.iter().filter(|field| !field.is_hidden)
    }
}

impl StructField {
    /// Makes a field that also appears in JSON and where the struct is printed.
    pub fn new(name: &str, value: Value) -> Self {
        Self {
            name: name.to_owned(),
            value,
            is_hidden: false,
        }
    }

    /// Makes a field that is only accessible by its name.
    pub fn hidden(name: &str, value: Value) -> Self {
        Self {
            is_hidden: true,
            ..Self::new(name, value)
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_none(),
            Self::Bool(bool) => serializer.serialize_bool(*bool),
            Self::Int(int) => serializer.serialize_i64(*int),
            Self::Float(float) => serializer.serialize_f64(*float),
            Self::Text(text) => serializer.serialize_str(text.raw()),
            Self::List(list) if list.is_null => serializer.serialize_none(),
            Self::Map(map) if map.is_null => serializer.serialize_none(),
            Self::List(list) => serializer.collect_seq(list.items.iter()),
            Self::Map(map) => serializer.collect_map(map.entries.iter()),
            Self::Struct(value) => {
                let mut map = serializer.serialize_map(None)?;
                for field in value.shown() {
                    map.serialize_entry(&field.name, &field.value)?;
                }
                map.end()
            }
        }
    }
}
