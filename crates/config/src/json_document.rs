//! JSON documents with the position of each key: a `daemon.json`, Docker's or the daemon's own.

mod json_value;

use std::path::{Path, PathBuf};

use windlass_oci::text::sanitize;

use crate::error::{ConfigError, ConfigProblem, TextPosition};
use crate::source::FileLocation;
use json_value::{JsonValue, position_of};

/// The maximum length of an array.
const MAX_ELEMENTS: usize = 1000;

/// A parsed file.
#[derive(Debug)]
pub(crate) struct JsonDocument<'a> {
    path: &'a Path,
    text: &'a str,
    /// The entries of the outermost object that are not `null`.
    entries: Vec<(String, JsonValue)>,
    has_positions: bool,
}

/// A value in the file, with its key.
#[derive(Debug)]
pub(crate) struct JsonEntry<'a> {
    document: &'a JsonDocument<'a>,
    /// The path to the key, from the outermost object.
    keys: Vec<&'a str>,
    /// The place in the array, if it is an element of one.
    index: Option<usize>,
    value: &'a JsonValue,
}

impl<'a> JsonDocument<'a> {
    /// Parses the text of the file at `path`. To Docker an empty file is an empty object.
    pub(crate) fn parse(path: &'a Path, text: &'a str) -> Result<Self, ConfigError> {
        let mut document = Self {
            path,
            text,
            entries: Vec::new(),
            has_positions: true,
        };
        if text.trim().is_empty() {
            return Ok(document);
        }
        let value: JsonValue =
            serde_json::from_str(text).map_err(|error| syntax_error(path, &error))?;
        match value {
            JsonValue::Object(entries) => document.entries = entries,
            other => {
                let problem = wrong_type(&other, "an object");
                return Err(ConfigError::file(path, problem));
            }
        }
        document
            .entries
            .retain(|(_, value)| *value != JsonValue::Null);
        Ok(document)
    }

    /// Leaves the positions out of errors and origins.
    pub(crate) fn without_positions(self) -> Self {
        let has_positions = false;
        Self {
            has_positions,
            ..self
        }
    }

    pub(crate) fn path(&self) -> &'a Path {
        self.path
    }

    /// Returns the directory where relative paths start.
    pub(crate) fn directory(&self) -> &'a Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Returns the entry of `key`, such as `debug` or `proxies.http-proxy`.
    ///
    /// # Errors
    /// If the value before the point is not an object.
    pub(crate) fn entry<'k: 'a>(
        &'a self,
        key: &'k str,
    ) -> Result<Option<JsonEntry<'a>>, ConfigError> {
        let (outer, inner) = match key.split_once('.') {
            Some((outer, inner)) => (outer, Some(inner)),
            None => (key, None),
        };
        let found = self.entries.iter().find(|(name, _)| name == outer);
        let Some((_, value)) = found else {
            return Ok(None);
        };
        let entry = JsonEntry {
            document: self,
            keys: vec![outer],
            index: None,
            value,
        };
        let Some(inner) = inner else {
            return Ok(Some(entry));
        };
        let mut entries = entry.entries()?.into_iter();
        Ok(entries.find(|entry| entry.keys.last() == Some(&inner)))
    }

    /// Returns all entries of the outermost object, in the order of the file.
    pub(crate) fn all_entries(&self) -> impl Iterator<Item = JsonEntry<'_>> {
        self.entries.iter().map(|(key, value)| JsonEntry {
            document: self,
            keys: vec![key],
            index: None,
            value,
        })
    }
}

impl<'a> JsonEntry<'a> {
    /// Returns the key itself, without the path to it.
    pub(crate) fn name(&self) -> &'a str {
        self.keys.last().copied().unwrap_or_default()
    }

    /// Returns the path to the value, such as `registry-mirrors[0]`.
    pub(crate) fn key(&self) -> String {
        let keys: Vec<_> = self
            .keys
            .iter()
            .map(|key| sanitize(key).to_string())
            .collect();
        let key = keys.join(".");
        match self.index {
            Some(index) => format!("{key}[{index}]"),
            None => key,
        }
    }

    /// Returns the file and line of the key.
    pub(crate) fn origin(&self) -> FileLocation {
        FileLocation {
            path: self.document.path.to_owned(),
            line: self.position().map(|position| position.line),
        }
    }

    /// Returns an error about the value.
    pub(crate) fn error(&self, problem: ConfigProblem) -> ConfigError {
        ConfigError {
            position: self.position(),
            key: Some(self.key()),
            ..ConfigError::file(self.document.path, problem)
        }
    }

    /// Returns the error that the value has another type.
    pub(crate) fn wrong_type(&self, expected: &'static str) -> ConfigError {
        self.error(wrong_type(self.value, expected))
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self.value, JsonValue::Object(_))
    }

    /// Returns the value, which must be a string.
    pub(crate) fn text(&self) -> Result<&'a str, ConfigError> {
        let JsonValue::Text(text) = self.value else {
            return Err(self.wrong_type("a string"));
        };
        Ok(text)
    }

    /// Returns the value, which must be a string that is not empty.
    pub(crate) fn non_empty_text(&self) -> Result<&'a str, ConfigError> {
        match self.text()? {
            "" => Err(self.error(ConfigProblem::Empty)),
            text => Ok(text),
        }
    }

    /// Returns the value, which must be an array of strings.
    pub(crate) fn texts(&self) -> Result<Vec<String>, ConfigError> {
        let elements = self.elements()?;
        let texts = elements.iter().map(Self::text);
        texts.map(|text| text.map(str::to_owned)).collect()
    }

    /// Returns the value, which must be `true` or `false`.
    pub(crate) fn flag(&self) -> Result<bool, ConfigError> {
        let JsonValue::Flag(flag) = self.value else {
            return Err(self.wrong_type("true or false"));
        };
        Ok(*flag)
    }

    /// Returns the value, which must be a number from `min` to `max`.
    pub(crate) fn number<N: TryFrom<u64>>(&self, min: u64, max: u64) -> Result<N, ConfigError> {
        let range = || self.error(ConfigProblem::Range { min, max });
        let JsonValue::Number(number) = self.value else {
            return Err(self.wrong_type("a number"));
        };
        number
            .filter(|number| (min..=max).contains(number))
            .and_then(|number| N::try_from(number).ok())
            .ok_or_else(range)
    }

    /// Returns the value, which must be a number from `min` on. Larger numbers than `max` become `max`: files that
    /// Docker accepts have them, and they mean that there is no limit.
    pub(crate) fn capped_number<N: TryFrom<u64>>(
        &self,
        min: u64,
        max: u64,
    ) -> Result<Option<N>, ConfigError> {
        match self.value {
            JsonValue::Number(Some(number)) if *number > max => Ok(N::try_from(max).ok()),
            _ => self.number(min, max).map(Some),
        }
    }

    /// Returns the value, which must be a path. A relative path starts at the directory of the file.
    pub(crate) fn file_path(&self) -> Result<PathBuf, ConfigError> {
        let text = self.non_empty_text()?;
        match text.starts_with('~') {
            true => Err(self.error(ConfigProblem::Tilde)),
            false => Ok(self.document.directory().join(text)),
        }
    }

    /// Returns the elements of the value, which must be an array of strings.
    pub(crate) fn elements(&self) -> Result<Vec<Self>, ConfigError> {
        let JsonValue::List(elements) = self.value else {
            return Err(self.wrong_type("an array of strings"));
        };
        if elements.len() > MAX_ELEMENTS {
            let limit = MAX_ELEMENTS;
            return Err(self.error(ConfigProblem::TooLong { limit }));
        }
        let elements = elements.iter().enumerate().map(|(index, value)| Self {
            document: self.document,
            keys: self.keys.clone(),
            index: Some(index),
            value,
        });
        Ok(elements.collect())
    }

    /// Returns the entries of the value, which must be an object.
    pub(crate) fn entries(&self) -> Result<Vec<Self>, ConfigError> {
        let JsonValue::Object(entries) = self.value else {
            return Err(self.wrong_type("an object"));
        };
        let entries = entries.iter().map(|(key, value)| Self {
            document: self.document,
            keys: self.keys.iter().copied().chain([key.as_str()]).collect(),
            index: None,
            value,
        });
        Ok(entries.collect())
    }

    fn position(&self) -> Option<TextPosition> {
        let has_positions = self.document.has_positions;
        has_positions.then(|| position_of(self.document.text, &self.keys))?
    }
}

fn wrong_type(value: &JsonValue, expected: &'static str) -> ConfigProblem {
    let found = value.type_name();
    ConfigProblem::Type { expected, found }
}

fn syntax_error(path: &Path, error: &serde_json::Error) -> ConfigError {
    // The message ends with the position, which the error has anyway.
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |(text, _)| text);
    ConfigError {
        position: Some(TextPosition {
            line: error.line(),
            column: error.column(),
        }),
        ..ConfigError::file(
            path,
            ConfigProblem::Syntax {
                message: sanitize(message),
            },
        )
    }
}
