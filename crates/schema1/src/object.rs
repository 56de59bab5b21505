//! JSON objects, with their values as they are written.
//!
//! Values are kept raw: a config is made of them byte for byte, and nothing but an object is taken for one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use windlass_oci::JsonError;
use windlass_oci::json;
use windlass_oci::text::{sanitize, sanitize_up_to};

/// The members of an object by name.
///
/// A value that is `null` is as good as absent, except in [`Object::into_members`].
pub(crate) struct Object<'a> {
    /// Its path in the document; empty at the top.
    at: String,
    members: BTreeMap<String, &'a RawValue>,
}

impl<'a> Object<'a> {
    /// Reads a whole document; `keys` are those with a meaning at its top.
    ///
    /// Refuses repeated keys at every depth, and documents that are nested too deep (C13).
    pub(crate) fn parse(bytes: &'a [u8], keys: &[&'static str]) -> Result<Self, JsonError> {
        Self::new(String::new(), json::parse(bytes, &[])?, keys)
    }

    /// Reads an object in a document that was read with [`Object::parse`].
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
            let folded = folded(name);
            if let Some(meant) = keys.iter().find(|key| key.eq_ignore_ascii_case(&folded)) {
                return Err(JsonError::OtherCase {
                    at: sanitize(&object.path(name)),
                    meant,
                });
            }
        }
        Ok(object)
    }

    /// Returns the value of `key` as it is written.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a RawValue> {
        let value = self.members.get(key).copied();
        value.filter(|value| value.get() != "null")
    }

    /// Reads the value of `key`.
    pub(crate) fn get<T: Deserialize<'a>>(&self, key: &str) -> Result<Option<T>, JsonError> {
        let Some(raw) = self.raw(key) else {
            return Ok(None);
        };
        let read = serde_json::from_str(raw.get());
        read.map(Some)
            .map_err(|error| invalid(&self.path(key), &error))
    }

    /// Reads the value of `key`, which must be there.
    pub(crate) fn require<T: Deserialize<'a>>(&self, key: &str) -> Result<T, JsonError> {
        self.get(key)?.ok_or_else(|| self.missing(key))
    }

    /// Reads the text of `key`; where there is none it is empty.
    pub(crate) fn text(&self, key: &str) -> Result<String, JsonError> {
        Ok(self.get(key)?.unwrap_or_default())
    }

    /// Reads the object of `key`, in which `keys` have a meaning.
    pub(crate) fn object(
        &self,
        key: &str,
        keys: &[&'static str],
    ) -> Result<Option<Self>, JsonError> {
        let raw = self.raw(key);
        raw.map(|raw| Self::nested(self.path(key), raw, keys))
            .transpose()
    }

    /// Returns the elements of the array `key`, of which there may be `LIMIT`, and none if it is absent.
    pub(crate) fn list<const LIMIT: usize>(
        &self,
        key: &str,
    ) -> Result<Vec<&'a RawValue>, JsonError> {
        let Some(raw) = self.raw(key) else {
            return Ok(Vec::new());
        };
        let mut elements = serde_json::Deserializer::from_str(raw.get());
        json::bounded::<_, LIMIT, _>(&mut elements)
            .map_err(|error| invalid(&self.path(key), &error))
    }

    /// Returns the names of the members, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// Returns the members themselves.
    pub(crate) fn into_members(self) -> BTreeMap<String, &'a RawValue> {
        self.members
    }

    /// Returns the error that `key` is not there.
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
    // The line and column that it ends with are those in the value.
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    JsonError::Value {
        at: sanitize(at),
        message: sanitize_up_to(&message[..end], 240),
    }
}

/// Go takes a key for a field's whose name has the same letters in another case, the long s and the Kelvin
/// sign among them.
fn folded(name: &str) -> String {
    name.to_lowercase().to_uppercase()
}
