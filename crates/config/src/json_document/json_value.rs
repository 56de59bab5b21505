//! JSON without duplicate keys, and the positions of keys in it.

use std::collections::HashSet;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};
use windlass_oci::text::sanitize;

use crate::address;
use crate::error::TextPosition;

/// A JSON value in which no object has a key twice. Of numbers, only whole ones that are not negative are kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum JsonValue {
    Null,
    Flag(bool),
    Number(Option<u64>),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl JsonValue {
    /// Returns the name of the type, for error messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = JsonValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<JsonValue, E> {
        Ok(JsonValue::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<JsonValue, E> {
        Ok(JsonValue::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(Some(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(u64::try_from(number).ok()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<JsonValue, E> {
        Ok(JsonValue::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<JsonValue, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(JsonValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<JsonValue, A::Error> {
        let mut object: Vec<(String, JsonValue)> = Vec::new();
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !keys.insert(key.clone()) {
                let key = sanitize(&address::without_secrets(&key));
                return Err(A::Error::custom(format!("duplicate key {key:?}")));
            }
            object.push((key, entries.next_value()?));
        }
        Ok(JsonValue::Object(object))
    }
}

/// Returns the position of a key in `text`. `keys` is the path to it, from the outermost object.
pub(super) fn position_of(text: &str, keys: &[&str]) -> Option<TextPosition> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let error = KeyFinder(keys).deserialize(&mut deserializer).err()?;
    // The error is at the closing quotation mark of the key.
    let width = keys.last()?.len() + 1;
    Some(TextPosition {
        line: error.line(),
        column: error.column().saturating_sub(width).max(1),
    })
}

/// Reads up to a key and fails there, because `serde_json` has positions in errors only.
struct KeyFinder<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for KeyFinder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KeyFinder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<String>()? {
            match self.0 {
                [last] if key == *last => return Err(A::Error::custom("found")),
                [first, rest @ ..] if key == *first => {
                    return entries.next_value_seed(KeyFinder(rest));
                }
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}
