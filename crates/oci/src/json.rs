//! Strict parsing of untrusted JSON.
//!
//! JSON readers disagree about duplicate keys: some take the first value, some the last, and Go merges both. A
//! document with a duplicate key is therefore ambiguous and rejected (I-JSON, RFC 7493; C13). Go's reader also ignores
//! the case of keys, so other spellings of the keys that windlass reads are rejected, too. The nesting depth is
//! bounded, and errors contain the path of the value and at most a short part of the document.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::text::{sanitize, sanitize_up_to};

mod error;
mod keys;

pub use error::JsonError;

use keys::KeyChecker;

/// Parses `bytes` as one JSON document without duplicate keys. Other spellings of `keys` are rejected.
pub fn parse<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    keys: &'static [&'static str],
) -> Result<T, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| syntax_error(&error))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| syntax_error(&error))?;
    KeyChecker::new(text, keys).advance_to(text.len())?;
    serde_json::from_str(text).map_err(|error| value_error(text, &error))
}

/// Implements `Deserialize` for structs with `#[serde(remote = "Self")]` so that they accept objects only.
///
/// The derived implementations also accept an array of the field values in order, which no other JSON reader does.
macro_rules! read_from_objects {
    ($($name:ident)*) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;

                impl<'de> serde::de::Visitor<'de> for ObjectVisitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A>(self, map: A) -> Result<$name, A::Error>
                    where
                        A: serde::de::MapAccess<'de>,
                    {
                        // Calls the derived inherent function, not this trait's.
                        $name::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    }
                }

                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    )*};
}
pub(crate) use read_from_objects;

/// Reads a value; `null` is read as the default.
pub(crate) fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads an object of strings; it and its values may be `null`.
pub(crate) fn string_map<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    let map: BTreeMap<String, Option<String>> = or_default(deserializer)?;
    let entries = map.into_iter();
    Ok(entries
        .map(|(key, value)| (key, value.unwrap_or_default()))
        .collect())
}

/// Reads an array of at most `LIMIT` elements; it may be `null`.
pub fn bounded_list<'de, T, const LIMIT: usize, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct ListVisitor<T, const LIMIT: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const LIMIT: usize> Visitor<'de> for ListVisitor<T, LIMIT> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "an array of at most {LIMIT} elements")
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_none<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
            deserializer.deserialize_seq(self)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
            let mut read = Vec::new();
            while let Some(element) = elements.next_element()? {
                if read.len() == LIMIT {
                    return Err(serde::de::Error::invalid_length(LIMIT + 1, &self));
                }
                read.push(element);
            }
            Ok(read)
        }
    }

    deserializer.deserialize_option(ListVisitor::<T, LIMIT>(PhantomData))
}

fn syntax_error(error: &dyn std::error::Error) -> JsonError {
    JsonError::Syntax {
        message: sanitize(&error.to_string()),
    }
}

fn value_error(text: &str, error: &serde_json::Error) -> JsonError {
    // serde_json appends the position, as line and column in bytes, to the message.
    let message = error.to_string();
    let message = match message.rfind(" at line ") {
        Some(end) => &message[..end],
        None => &message,
    };
    let mut checker = KeyChecker::new(text, &[]);
    let line_start = match error.line() {
        0 | 1 => 0,
        line => text
            .match_indices('\n')
            .nth(line - 2)
            .map_or(0, |(at, _)| at + 1),
    };
    match checker.advance_to((line_start + error.column()).min(text.len())) {
        Ok(()) => JsonError::Value {
            at: checker.path(),
            message: sanitize_up_to(message, 240),
        },
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests;
