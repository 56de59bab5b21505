//! JSON from outside, read strictly.
//!
//! Of two equal keys one reader takes the first, another the last, and Go's reads both into one: a document
//! with a repeated key has no one meaning, so it is refused (I-JSON, RFC 7493; C13). Go also ignores
//! the case of keys, so another case of a key that has a meaning is refused too. Depth is bounded, and errors
//! say where they stand without echoing the document.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::text::{Sanitized, sanitize, sanitize_up_to};

mod walk;

use walk::{MAX_DEPTH, Walk};

/// Why some bytes are not the JSON document they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not JSON at all.
    #[error("not JSON: {message}")]
    Syntax {
        /// What the reader stumbled over, with line and column.
        message: Sanitized,
    },
    /// An object has the same key twice.
    #[error("{at}: the key stands there twice")]
    RepeatedKey {
        /// The path of the second one.
        at: Sanitized,
    },
    /// A key differs only in case from one that has a meaning, and some readers would take it for that one.
    #[error("{at}: the key is spelled {meant:?}")]
    OtherCase {
        /// The path of the key.
        at: Sanitized,
        /// The key with the meaning.
        meant: &'static str,
    },
    /// Objects or arrays are nested too deep.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A value is missing or not what it should be.
    #[error("{at}: {message}")]
    Value {
        /// The path of the value, or of the object that lacks it.
        at: Sanitized,
        /// What is wrong with it.
        message: Sanitized,
    },
}

/// Reads `bytes` as one JSON document without repeated keys; `keys` are those that have a meaning.
pub fn parse<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    keys: &'static [&'static str],
) -> Result<T, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| syntax_error(&error))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| syntax_error(&error))?;
    Walk::new(text, keys).run_to(text.len())?;
    serde_json::from_str(text).map_err(|error| value_error(text, &error))
}

/// Gives structs with `#[serde(remote = "Self")]` a reader that takes objects only.
///
/// Derived readers also take an array of the fields' values in order, which no other reader does.
macro_rules! read_from_objects {
    ($($name:ident)*) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;

                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A>(self, map: A) -> Result<$name, A::Error>
                    where
                        A: serde::de::MapAccess<'de>,
                    {
                        // The derived function, which comes before the trait's.
                        $name::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    }
                }

                deserializer.deserialize_map(Fields)
            }
        }
    )*};
}
pub(crate) use read_from_objects;

/// Reads a value that may be `null`, which stands for its default.
pub(crate) fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a map of texts, where the map and its values may be `null`.
pub(crate) fn text_map<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
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
pub fn bounded<'de, T, const LIMIT: usize, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Bounded<T, const LIMIT: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const LIMIT: usize> Visitor<'de> for Bounded<T, LIMIT> {
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

    deserializer.deserialize_option(Bounded::<T, LIMIT>(PhantomData))
}

fn syntax_error(error: &dyn std::error::Error) -> JsonError {
    JsonError::Syntax {
        message: sanitize(&error.to_string()),
    }
}

fn value_error(text: &str, error: &serde_json::Error) -> JsonError {
    // serde_json gives its place as a line and a column in bytes, both only inside the message's end.
    let message = error.to_string();
    let message = match message.rfind(" at line ") {
        Some(end) => &message[..end],
        None => &message,
    };
    let mut walk = Walk::new(text, &[]);
    let line_start = match error.line() {
        0 | 1 => 0,
        line => text
            .match_indices('\n')
            .nth(line - 2)
            .map_or(0, |(at, _)| at + 1),
    };
    match walk.run_to((line_start + error.column()).min(text.len())) {
        Ok(()) => JsonError::Value {
            at: walk.path(),
            message: sanitize_up_to(message, 240),
        },
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests;
