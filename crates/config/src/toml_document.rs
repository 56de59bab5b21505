//! TOML documents with the position of each key, which are read key by key.
//!
//! `docs/decisions/0016-settings-are-one-table.md` has the reasons why this is not serde.

use std::iter;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use windlass_oci::text::{sanitize, sanitize_up_to};

use crate::address::without_secrets;
use crate::error::{ConfigError, ConfigProblem, TextPosition};
use crate::source::FileLocation;
use crate::spelling::nearest;

/// The maximum length of an array. An element may be compared with all others, or be the name of a file to read.
const MAX_ELEMENTS: usize = 1000;
/// The number of bytes between positions with a known number of characters before them.
const STRIDE: usize = 4096;

/// The text of a TOML file, with what is needed to find lines and columns.
#[derive(Clone, Debug)]
pub(crate) struct TomlDocument<'a> {
    path: &'a Path,
    text: &'a str,
    /// The offset of each line.
    lines: Rc<[usize]>,
    /// The number of characters before each [`STRIDE`]th byte. A whole file can be one line, so counting from the start
    /// of the line would be too slow.
    characters: Rc<[usize]>,
}

/// A table. Keys are taken out of it one by one, and those that are left are unknown.
#[derive(Debug)]
pub(crate) struct TomlTable<'a> {
    document: TomlDocument<'a>,
    key: String,
    span: Range<usize>,
    entries: Vec<TomlEntry<'a>>,
}

/// A key, its position in the text, and its value.
type TomlEntry<'a> = (String, Range<usize>, Spanned<DeValue<'a>>);

/// A value with its key.
#[derive(Clone, Debug)]
pub(crate) struct TomlItem<'a> {
    document: TomlDocument<'a>,
    /// The path to the value, in a form that is safe to print.
    key: String,
    /// The key itself, as it is in the file.
    name: String,
    span: Range<usize>,
    value: DeValue<'a>,
}

impl<'a> TomlDocument<'a> {
    /// Parses the text of the file at `path`.
    pub(crate) fn parse(path: &'a Path, text: &'a str) -> Result<TomlTable<'a>, ConfigError> {
        let lines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let document = Self {
            path,
            text,
            lines: iter::once(0).chain(lines).collect(),
            characters: character_counts(text),
        };
        let table = DeTable::parse(text).map_err(|error| {
            // The `Display` of the error quotes the line, which may contain a password.
            let message = sanitize(error.message());
            let at = error.span().unwrap_or(0..0);
            document.error(&at, None, ConfigProblem::Syntax { message })
        })?;
        let span = table.span();
        Ok(TomlTable::new(
            document,
            String::new(),
            span,
            table.into_inner(),
        ))
    }

    fn error(&self, at: &Range<usize>, key: Option<&str>, problem: ConfigProblem) -> ConfigError {
        ConfigError {
            path: self.path.to_owned(),
            position: Some(self.position(at.start)),
            key: key.map(|key| sanitize_up_to(key, 400).to_string()),
            problem: Box::new(problem),
        }
    }

    fn position(&self, at: usize) -> TextPosition {
        let line = self.lines.partition_point(|start| *start <= at);
        // The first line starts at 0, so there is always a line before.
        let start = self.lines[line - 1];
        TextPosition {
            line,
            column: self.characters_before(at) - self.characters_before(start) + 1,
        }
    }

    fn characters_before(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        let counted = at / STRIDE;
        let rest = &self.text.as_bytes()[counted * STRIDE..at];
        self.characters[counted] + count_characters(rest)
    }

    fn origin(&self, at: &Range<usize>) -> FileLocation {
        FileLocation {
            path: self.path.to_owned(),
            line: Some(self.position(at.start).line),
        }
    }
}

impl<'a> TomlTable<'a> {
    fn new(
        document: TomlDocument<'a>,
        key: String,
        span: Range<usize>,
        table: DeTable<'a>,
    ) -> Self {
        let entries = table.into_iter().map(|(key, value)| {
            let span = key.span();
            (key.into_inner().into_owned(), span, value)
        });
        Self {
            document,
            key,
            span,
            entries: entries.collect(),
        }
    }

    /// Takes out the value of the key `name`, if there is one.
    pub(crate) fn take(&mut self, name: &str) -> Option<TomlItem<'a>> {
        let at = self.entries.iter().position(|(key, ..)| key == name)?;
        let entry = self.entries.remove(at);
        Some(self.item(entry))
    }

    /// Takes out all values, in the order of the file.
    pub(crate) fn take_all(&mut self) -> Vec<TomlItem<'a>> {
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().map(|entry| self.item(entry)).collect()
    }

    /// Returns an error about the first key that is not among `known`, if there is one.
    pub(crate) fn reject_unknown_keys(&self, known: &[&'static str]) -> Result<(), ConfigError> {
        let mut entries = self.entries.iter();
        let unknown = entries.find(|(name, ..)| !known.contains(&name.as_str()));
        unknown.map_or(Ok(()), |entry| Err(self.unknown_key(entry.clone(), known)))
    }

    /// Returns an error about the first key that was not taken out, if there is one. `known` are the keys that could
    /// have been meant.
    pub(crate) fn reject_remaining_keys(self, known: &[&'static str]) -> Result<(), ConfigError> {
        let rest = self.entries.first().cloned();
        rest.map_or(Ok(()), |entry| Err(self.unknown_key(entry, known)))
    }

    fn unknown_key(&self, entry: TomlEntry<'a>, known: &[&'static str]) -> ConfigError {
        let item = self.item(entry);
        let nearest = nearest(&item.name, known);
        item.error(ConfigProblem::UnknownKey { nearest })
    }

    /// Returns an error about the whole table.
    pub(crate) fn error(&self, problem: ConfigProblem) -> ConfigError {
        self.document.error(
            &self.span,
            Some(&self.key)
                .filter(|key| !key.is_empty())
                .map(String::as_str),
            problem,
        )
    }

    /// Returns the file and line of the table.
    pub(crate) fn origin(&self) -> FileLocation {
        self.document.origin(&self.span)
    }

    fn item(&self, entry: TomlEntry<'a>) -> TomlItem<'a> {
        let (name, key_span, value) = entry;
        let name_text = quoted(&name);
        let key = match self.key.is_empty() {
            true => name_text,
            false => format!("{}.{name_text}", self.key),
        };
        TomlItem {
            document: self.document.clone(),
            key,
            name,
            span: key_span,
            value: value.into_inner(),
        }
    }
}

impl<'a> TomlItem<'a> {
    /// Returns the key itself, without the path to it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path to the value, such as `registry."quay.io".mirror[0]`.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Returns the file and line of the key.
    pub(crate) fn origin(&self) -> FileLocation {
        self.document.origin(&self.span)
    }

    /// Returns the offset of the first key in the file that is this key or one in its table.
    pub(crate) fn first_mention(&self) -> usize {
        self.span.start.min(first_mention(&self.value))
    }

    /// Returns an error about the value.
    pub(crate) fn error(&self, problem: ConfigProblem) -> ConfigError {
        self.document.error(&self.span, Some(&self.key), problem)
    }

    /// Returns whether the value is a table.
    pub(crate) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// Returns whether the value is an array.
    pub(crate) fn is_array(&self) -> bool {
        self.value.is_array()
    }

    /// Returns whether the value is a whole number.
    pub(crate) fn is_number(&self) -> bool {
        self.value.as_integer().is_some()
    }

    /// Returns the value, which must be a string.
    pub(crate) fn text(&self) -> Result<&str, ConfigError> {
        let text = self.value.as_str();
        text.ok_or_else(|| self.wrong_type("a string"))
    }

    /// Returns the value, which must be a string that is not blank.
    pub(crate) fn non_empty_text(&self) -> Result<&str, ConfigError> {
        match self.text()?.trim() {
            "" => Err(self.error(ConfigProblem::Empty)),
            _ => self.text(),
        }
    }

    /// Returns the value, which must be a path. A relative path starts at `base`.
    pub(crate) fn path(&self, base: &Path) -> Result<PathBuf, ConfigError> {
        let text = self.non_empty_text()?;
        match text.starts_with('~') {
            // Without a shell this would be a directory with the name `~`.
            true => Err(self.error(ConfigProblem::Tilde)),
            false => Ok(base.join(text)),
        }
    }

    /// Returns the value, which must be `true` or `false`.
    pub(crate) fn flag(&self) -> Result<bool, ConfigError> {
        let flag = self.value.as_bool();
        flag.ok_or_else(|| self.wrong_type("true or false"))
    }

    /// Returns the value, which must be a number from `min` to `max`.
    pub(crate) fn number(&self, min: u64, max: u64) -> Result<u64, ConfigError> {
        let number = self.value.as_integer();
        let number = number.ok_or_else(|| self.wrong_type("a number"))?;
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
        value
            .filter(|value| (min..=max).contains(value))
            .ok_or_else(|| self.error(ConfigProblem::Range { min, max }))
    }

    /// Returns the elements of the value, which must be an array.
    pub(crate) fn elements(self) -> Result<Vec<Self>, ConfigError> {
        let DeValue::Array(array) = self.value else {
            return Err(self.wrong_type("an array"));
        };
        if array.len() > MAX_ELEMENTS {
            let limit = MAX_ELEMENTS;
            let problem = ConfigProblem::TooLong { limit };
            return Err(self.document.error(&self.span, Some(&self.key), problem));
        }
        let elements = array.into_iter().enumerate().map(|(index, value)| Self {
            document: self.document.clone(),
            key: format!("{}[{index}]", self.key),
            name: self.name.clone(),
            span: value.span(),
            value: value.into_inner(),
        });
        Ok(elements.collect())
    }

    /// Returns the elements of the value, which must be an array or a single string.
    pub(crate) fn one_or_more(self) -> Result<Vec<Self>, ConfigError> {
        match &self.value {
            DeValue::String(_) => Ok(vec![self]),
            DeValue::Array(_) => self.elements(),
            _ => Err(self.wrong_type("a string or an array of strings")),
        }
    }

    /// Returns the value, which must be a table.
    pub(crate) fn table(self) -> Result<TomlTable<'a>, ConfigError> {
        match self.value {
            DeValue::Table(table) => Ok(TomlTable::new(self.document, self.key, self.span, table)),
            _ => Err(self.wrong_type("a table")),
        }
    }

    /// Returns the error that the value has another type.
    pub(crate) fn wrong_type(&self, expected: &'static str) -> ConfigError {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.error(ConfigProblem::Type { expected, found })
    }
}

/// Returns the number of characters before each [`STRIDE`]th byte of `text`.
fn character_counts(text: &str) -> Rc<[usize]> {
    let sums = text.as_bytes().chunks(STRIDE).scan(0, |sum, chunk| {
        *sum += count_characters(chunk);
        Some(*sum)
    });
    iter::once(0).chain(sums).collect()
}

/// Returns the number of characters whose first byte is among these bytes of a text.
fn count_characters(bytes: &[u8]) -> usize {
    let is_first_byte = |byte: &&u8| **byte & 0xc0 != 0x80;
    bytes.iter().filter(is_first_byte).count()
}

/// Returns the offset of the first key in a value. A table that follows one of its own inner tables in the file is
/// first mentioned by that one.
fn first_mention(value: &DeValue<'_>) -> usize {
    let entries = value.as_table().into_iter().flatten();
    let offsets = entries.map(|(key, value)| key.span().start.min(first_mention(value.get_ref())));
    offsets.min().unwrap_or(usize::MAX)
}

/// Returns a key as TOML writes it, shortened: it is repeated in the path of every key in its table.
fn quoted(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    match !name.is_empty() && name.bytes().all(is_bare) {
        true => sanitize(name).to_string(),
        false => format!("\"{}\"", sanitize(&without_secrets(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I7: a line with a syntax error may contain a password.
    #[test]
    fn a_syntax_error_has_a_position_and_no_text() {
        let text = "downloads = 3\nproxy = \"http://me:hunter2@p\n";
        let error = TomlDocument::parse(Path::new("w.toml"), text).unwrap_err();
        assert_eq!(error.to_string(), "w.toml:2:29");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
