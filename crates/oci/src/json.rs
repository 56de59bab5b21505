//! JSON from outside, read strictly.
//!
//! `serde_json` takes the last of two equal keys, Go's reader takes both in turn, others the first: a
//! document with a repeated key means different things to different readers, so it is refused (I-JSON,
//! RFC 7493; hardening C13). Depth is bounded, and errors say where they stand without echoing the document.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::text::{Shown, shown, shown_up_to};

/// How deep objects and arrays may be nested. Manifests and configs need five levels.
const MAX_DEPTH: usize = 64;

/// Why some bytes are not the JSON document they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not JSON at all.
    #[error("not JSON: {message}")]
    Syntax {
        /// What the reader stumbled over, with line and column.
        message: Shown,
    },
    /// An object has the same key twice.
    #[error("{at}: the key stands there twice")]
    RepeatedKey {
        /// The path of the second one.
        at: Shown,
    },
    /// Objects or arrays are nested too deep.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A value is missing or not what it should be.
    #[error("{at}: {message}")]
    Value {
        /// The path of the value, or of the object that lacks it.
        at: Shown,
        /// What is wrong with it.
        message: Shown,
    },
}

/// Reads `bytes` as one JSON document without repeated keys.
pub(crate) fn parse<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError::Syntax {
        message: shown(&error.to_string()),
    })?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| JsonError::Syntax {
        message: shown(&error.to_string()),
    })?;
    Walk::new(text).run_to(text.len())?;
    serde_json::from_str(text).map_err(|error| value_error(text, &error))
}

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
pub(crate) fn bounded<'de, T, const LIMIT: usize, D>(deserializer: D) -> Result<Vec<T>, D::Error>
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

/// Walks through a document that is known to be JSON, and knows where it stands.
///
/// Not a serde visitor: a visitor is shown numbers as `f64`, and so fails at `1e400` in a field that
/// nobody reads.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    levels: Vec<Level<'a>>,
}

enum Level<'a> {
    Object {
        keys: HashSet<Cow<'a, str>>,
        key: Option<Cow<'a, str>>,
    },
    Array {
        index: usize,
    },
}

impl<'a> Walk<'a> {
    fn new(text: &'a str) -> Self {
        let levels = Vec::new();
        Self {
            text,
            at: 0,
            levels,
        }
    }

    /// Goes on to the first value that ends at or behind `end`.
    fn run_to(&mut self, end: usize) -> Result<(), JsonError> {
        while self.at < end {
            let byte = self.text.as_bytes()[self.at];
            self.at += 1;
            match byte {
                b'{' | b'[' if self.at == end => {}
                b'{' => self.enter(Level::Object {
                    keys: HashSet::new(),
                    key: None,
                })?,
                b'[' => self.enter(Level::Array { index: 0 })?,
                b'}' | b']' => drop(self.levels.pop()),
                b',' => self.next_member(),
                b'"' => self.string()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn enter(&mut self, level: Level<'a>) -> Result<(), JsonError> {
        if self.levels.len() == MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.levels.push(level);
        Ok(())
    }

    fn next_member(&mut self) {
        match self.levels.last_mut() {
            Some(Level::Object { key, .. }) => *key = None,
            Some(Level::Array { index }) => *index += 1,
            None => {}
        }
    }

    /// Passes over a string whose opening quote is just behind; takes it for the key if one is due.
    fn string(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let mut escaped = false;
        for byte in &self.text.as_bytes()[start..] {
            self.at += 1;
            match byte {
                b'\\' => escaped = !escaped,
                b'"' if !escaped => break,
                _ => escaped = false,
            }
        }
        if let Some(Level::Object { keys, key }) = self.levels.last_mut()
            && key.is_none()
        {
            let name = unescaped(self.text, start, self.at)?;
            let repeated = !keys.insert(name.clone());
            *key = Some(name);
            if repeated {
                return Err(JsonError::RepeatedKey { at: self.path() });
            }
        }
        Ok(())
    }

    /// Returns where the walk stands, such as `layers[2].digest`.
    fn path(&self) -> Shown {
        let mut path = String::new();
        for level in &self.levels {
            match level {
                Level::Object { key: None, .. } => {}
                Level::Object { key: Some(key), .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
                Level::Array { index } => path.extend(["[", &index.to_string(), "]"]),
            }
        }
        if path.is_empty() {
            path.push_str("the document");
        }
        shown(&path)
    }
}

/// Returns the string whose quotes stand right before `start` and right before `end`.
fn unescaped(text: &str, start: usize, end: usize) -> Result<Cow<'_, str>, JsonError> {
    let bare = &text[start..end - 1];
    if !bare.contains('\\') {
        return Ok(Cow::Borrowed(bare));
    }
    match serde_json::from_str(&text[start - 1..end]) {
        Ok(name) => Ok(Cow::Owned(name)),
        Err(error) => Err(JsonError::Syntax {
            message: shown(&format!("in a key: {error}")),
        }),
    }
}

fn value_error(text: &str, error: &serde_json::Error) -> JsonError {
    // serde_json gives its place as a line and a column in bytes, both only inside the message's end.
    let message = error.to_string();
    let message = match message.rfind(" at line ") {
        Some(end) => &message[..end],
        None => &message,
    };
    let mut walk = Walk::new(text);
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
            message: shown_up_to(message, 240),
        },
        Err(error) => error,
    }
}
