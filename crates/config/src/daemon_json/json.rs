//! JSON as the readers of `daemon.json` take it: no key twice, and nothing kept that nobody needs.

use std::collections::HashSet;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};
use windlass_oci::text::sanitize;

use crate::address;
use crate::error::{Place, Problem};

/// The most that a number may say here. What is more is as good as no limit, and no reason to refuse a file.
const MOST: u64 = 1000;
/// How long an array may be.
const MOST_ELEMENTS: usize = 1000;

/// JSON without repeated keys. Values of keys that have no meaning here are not kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Flag(bool),
    Number(Option<u64>),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    pub(super) fn wrong_type(&self, expected: &'static str) -> Problem {
        let found = match self {
            Self::Null => "null",
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        };
        Problem::Type { expected, found }
    }

    pub(super) fn text(&self) -> Result<&str, Problem> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// Returns the text that it must be, which says something.
    pub(super) fn some_text(&self) -> Result<&str, Problem> {
        match self.text()? {
            "" => Err(Problem::Empty),
            text => Ok(text),
        }
    }

    pub(super) fn texts(self) -> Result<Vec<String>, Problem> {
        let Self::List(elements) = self else {
            return Err(self.wrong_type("an array of strings"));
        };
        if elements.len() > MOST_ELEMENTS {
            let limit = MOST_ELEMENTS;
            return Err(Problem::TooLong { limit });
        }
        let texts = elements
            .iter()
            .map(|element| element.text().map(str::to_owned));
        texts.collect()
    }

    pub(super) fn number(&self, least: u64) -> Result<u64, Problem> {
        let most = MOST;
        match self {
            Self::Number(number) => number
                .filter(|number| *number >= least)
                .map(|number| number.min(most))
                .ok_or(Problem::Range { least, most }),
            _ => Err(self.wrong_type("a number")),
        }
    }

    /// Returns the number between `least` and `most` that it must be.
    pub(super) fn number_within(&self, least: u64, most: u64) -> Result<u64, Problem> {
        match self {
            Self::Number(number) => number
                .filter(|number| (least..=most).contains(number))
                .ok_or(Problem::Range { least, most }),
            _ => Err(self.wrong_type("a number")),
        }
    }

    pub(super) fn flag(&self) -> Result<bool, Problem> {
        match self {
            Self::Flag(flag) => Ok(*flag),
            _ => Err(self.wrong_type("true or false")),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(Some(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(u64::try_from(number).ok()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object: Vec<(String, Json)> = Vec::new();
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !keys.insert(key.clone()) {
                let message = format!(
                    "the key {:?} stands there twice",
                    sanitize(&address::without_secrets(&key))
                );
                return Err(A::Error::custom(message));
            }
            object.push((key, entries.next_value()?));
        }
        Ok(Json::Object(object))
    }
}

/// Returns where in `text` the key stands that `keys` lead to, each inside the one before it.
pub(super) fn place_of(text: &str, keys: &[&str]) -> Option<Place> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let error = Finder(keys).deserialize(&mut deserializer).err()?;
    // It stopped behind the key, at its quotation mark.
    let width = keys.last()?.len() + 1;
    Some(Place {
        line: error.line(),
        column: error.column().saturating_sub(width).max(1),
    })
}

/// Reads as far as a key, and fails there: only errors know where they are.
struct Finder<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Finder<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Finder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<String>()? {
            match self.0 {
                [last] if key == *last => return Err(A::Error::custom("here")),
                [first, rest @ ..] if key == *first => {
                    return entries.next_value_seed(Finder(rest));
                }
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}
