//! JSON objects with raw values.
//!
//! Values stay as they are in the document, because the image config is built from their exact bytes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use windlass_oci::JsonError;
use windlass_oci::json;
use windlass_oci::text::{sanitize, sanitize_up_to};

/// The members of an object by name.
///
/// A value that is `null` is treated as absent, except in [`Object::into_members`].
pub(crate) struct Object<'a> {
    /// The path of the object in the document; empty at the top.
    at: String,
    members: BTreeMap<String, &'a RawValue>,
}

impl<'a> Object<'a> {
    /// Parses a whole document; other spellings of `keys` are rejected at its top level.
    ///
    /// Duplicate keys at any depth and documents that are nested too deep are rejected, too (C13).
    pub(crate) fn parse(bytes: &'a [u8], keys: &[&'static str]) -> Result<Self, JsonError> {
        Self::new(String::new(), json::parse(bytes, &[])?, keys)
    }

    /// Parses an object in a document that was parsed with [`Object::parse`].
    pub(crate) fn nested(
        at: String,
        raw: &'a RawValue,
        keys: &[&'static str],
    ) -> Result<Self, JsonError> {
        let members = serde_json::from_str(raw.get()).map_err(|error| invalid(&at, &error))?;
        Self::new(at, members, keys)
    }

    fn new(
        at: String,
        members: BTreeMap<String, &'a RawValue>,
        keys: &[&'static str],
    ) -> Result<Self, JsonError> {
        let object = Self { at, members };
        for name in object.members.keys() {
            if keys.contains(&name.as_str()) {
                continue;
            }
            let folded = fold_case(name);
            if let Some(expected) = keys.iter().find(|key| key.eq_ignore_ascii_case(&folded)) {
                return Err(JsonError::OtherCase {
                    at: sanitize(&object.path(name)),
                    expected,
                });
            }
        }
        Ok(object)
    }

    /// Returns the raw value of `key`.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a RawValue> {
        let value = self.members.get(key).copied();
        value.filter(|value| value.get() != "null")
    }

    /// Parses the value of `key`.
    pub(crate) fn get<T: Deserialize<'a>>(&self, key: &str) -> Result<Option<T>, JsonError> {
        let Some(raw) = self.raw(key) else {
            return Ok(None);
        };
        let read = serde_json::from_str(raw.get());
        read.map(Some)
            .map_err(|error| invalid(&self.path(key), &error))
    }

    /// Parses the value of `key`, which must be present.
    pub(crate) fn require<T: Deserialize<'a>>(&self, key: &str) -> Result<T, JsonError> {
        self.get(key)?.ok_or_else(|| self.missing(key))
    }

    /// Parses the string value of `key`; it is empty if absent.
    pub(crate) fn text(&self, key: &str) -> Result<String, JsonError> {
        Ok(self.get(key)?.unwrap_or_default())
    }

    /// Parses the object value of `key`; other spellings of `keys` are rejected in it.
    pub(crate) fn object(
        &self,
        key: &str,
        keys: &[&'static str],
    ) -> Result<Option<Self>, JsonError> {
        let raw = self.raw(key);
        raw.map(|raw| Self::nested(self.path(key), raw, keys))
            .transpose()
    }

    /// Returns the elements of the array `key`, at most `LIMIT`; none if it is absent.
    pub(crate) fn list<const LIMIT: usize>(
        &self,
        key: &str,
    ) -> Result<Vec<&'a RawValue>, JsonError> {
        let Some(raw) = self.raw(key) else {
            return Ok(Vec::new());
        };
        let mut elements = serde_json::Deserializer::from_str(raw.get());
        json::bounded_list::<_, LIMIT, _>(&mut elements)
            .map_err(|error| invalid(&self.path(key), &error))
    }

    /// Returns the names of the members, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// Returns all members.
    pub(crate) fn into_members(self) -> BTreeMap<String, &'a RawValue> {
        self.members
    }

    /// Returns the error for a missing `key`.
    pub(crate) fn missing(&self, key: &str) -> JsonError {
        JsonError::Value {
            at: sanitize(&self.path(key)),
            message: sanitize("missing"),
        }
    }

    fn path(&self, key: &str) -> String {
        match &*self.at {
            "" => key.to_owned(),
            at => format!("{at}.{key}"),
        }
    }
}

fn invalid(at: &str, error: &serde_json::Error) -> JsonError {
    // The message ends with a line and column within the value, which mean nothing in the document.
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    JsonError::Value {
        at: sanitize(at),
        message: sanitize_up_to(&message[..end], 240),
    }
}

/// Folds the case of a key as Go does to match it with field names, including the long s and the Kelvin sign.
fn fold_case(name: &str) -> String {
    name.to_lowercase().to_uppercase()
}
