//! The values that templates work on: JSON's, and Go's structs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

use windlass_oci::text::escape;

/// A value. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: a key that is not there, or JSON's `null`.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Text(Text),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A struct.
    Struct(Struct),
}

/// A text, and whether it comes from outside and is on its way to a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    text: Arc<str>,
    is_guarded: bool,
}

/// Elements in order.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    pub(crate) items: Arc<[Value]>,
    /// Whether it is `null` in JSON: a list that was never made.
    is_null: bool,
}

/// Values by keys that nobody knows beforehand.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    pub(crate) entries: Arc<BTreeMap<String, Value>>,
    /// Whether all values are texts, so that `index` finds an empty one where there is none.
    is_of_texts: bool,
    is_null: bool,
    pub(crate) is_guarded: bool,
}

/// Values by names that are known: another name is an error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Struct {
    pub(crate) fields: Arc<Vec<Field>>,
}

/// One value of a struct.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The name that templates use.
    pub name: String,
    /// The value of the field.
    pub value: Value,
    /// Whether it is found by name only: JSON and the printed struct go without it.
    pub is_hidden: bool,
}

impl Value {
    /// Makes a value of `json`; its texts are `guarded` if they are on their way to a terminal.
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
                Self::Map(Map {
                    entries: Arc::new(entries.collect()),
                    is_of_texts,
                    is_null: false,
                    is_guarded: guarded,
                })
            }
        }
    }

    /// Makes a text that comes from outside; `guarded` if it is on its way to a terminal.
    pub fn text(text: &str, guarded: bool) -> Self {
        Self::Text(Text::new(text, guarded))
    }

    /// Makes a text that is harmless already, or the user's own.
    pub fn plain(text: &str) -> Self {
        Self::text(text, false)
    }

    /// Makes a list of `items`.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(List {
            items: items.into_iter().collect(),
            is_null: false,
        })
    }

    /// Makes a list that was never made, as Go has them: it is empty, and `null` in JSON.
    pub fn no_list() -> Self {
        Self::List(List {
            items: [].into(),
            is_null: true,
        })
    }

    /// Makes a map that was never made.
    pub fn no_map(is_of_texts: bool) -> Self {
        Self::Map(Map {
            entries: Arc::default(),
            is_of_texts,
            is_null: true,
            is_guarded: false,
        })
    }

    /// Tells whether the value says anything: neither nothing, nor false, zero or empty.
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

    /// What people call a value of this kind.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a fraction",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Struct(_) => "a structure",
        }
    }
}

impl Text {
    pub(crate) fn new(text: &str, is_guarded: bool) -> Self {
        Self {
            text: text.into(),
            is_guarded,
        }
    }

    /// A part of this text, or something made of it.
    pub(crate) fn with(&self, text: &str) -> Self {
        Self::new(text, self.is_guarded)
    }

    /// The text as it is.
    pub(crate) fn raw(&self) -> &str {
        &self.text
    }

    /// The text as it is printed.
    pub(crate) fn shown(&self) -> std::borrow::Cow<'_, str> {
        shown(&self.text, self.is_guarded)
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

impl Map {
    /// Returns the value of `key`, and nothing where there is none.
    pub(crate) fn get(&self, key: &str) -> Value {
        self.entries.get(key).cloned().unwrap_or(Value::Nil)
    }

    /// Returns the value of `key` as Go's `index` does: empty where there is none and all others are texts.
    pub(crate) fn index(&self, key: &str) -> Value {
        match self.get(key) {
            Value::Nil if self.is_of_texts => Value::plain(""),
            value => value,
        }
    }

    /// Makes every value an empty struct: how Go has sets.
    pub fn into_set(self) -> Value {
        let entries = self.entries.keys();
        let entries = entries.map(|key| (key.clone(), Value::Struct(Struct::default())));
        Value::Map(Self {
            entries: Arc::new(entries.collect()),
            ..self
        })
    }

    /// Says that all values are texts, although there is none to tell it.
    pub fn of_texts(self) -> Value {
        Value::Map(Self {
            is_of_texts: self.is_of_texts || self.entries.is_empty(),
            ..self
        })
    }
}

impl Struct {
    /// Makes a struct with `fields` in this order.
    pub fn new(fields: Vec<Field>) -> Self {
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

    pub(crate) fn shown(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.is_hidden)
    }
}

impl Field {
    /// Makes a field that also appears in JSON and where the struct is printed.
    pub fn new(name: &str, value: Value) -> Self {
        Self {
            name: name.to_owned(),
            value,
            is_hidden: false,
        }
    }

    /// Makes a field that is found by its name only.
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
