//! TOML that remembers where everything stands, read key by key.

use std::iter;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use windlass_oci::text::{sanitize, sanitize_up_to};

use crate::address::without_secrets;
use crate::error::{ConfigError, Place, Problem};
use crate::source::Origin;

mod nearest;

pub(crate) use nearest::nearest;

/// How long an array may be. What is done for each element may compare it with the others, or read a file.
const MOST_ELEMENTS: usize = 1000;
/// The distance of the places whose characters are counted beforehand, in bytes.
const STRIDE: usize = 4096;

/// A file that is being read.
#[derive(Clone, Debug)]
pub(crate) struct Document<'a> {
    path: &'a Path,
    text: &'a str,
    /// Where each line begins.
    lines: Rc<[usize]>,
    /// How many characters begin before each [`STRIDE`]th byte. Everything may stand in one line.
    characters: Rc<[usize]>,
}

/// A table whose keys are taken out one by one; what is left has no meaning.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    document: Document<'a>,
    key: String,
    span: Range<usize>,
    entries: Vec<(String, Range<usize>, Spanned<DeValue<'a>>)>,
}

/// A value, and what it is called.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    document: Document<'a>,
    /// The whole way to it.
    key: String,
    /// The last step of that way, as it is meant.
    name: String,
    span: Range<usize>,
    value: DeValue<'a>,
}

impl<'a> Document<'a> {
    /// Reads the text of the file at `path`.
    pub(crate) fn parse(path: &'a Path, text: &'a str) -> Result<Table<'a>, ConfigError> {
        let lines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let document = Self {
            path,
            text,
            lines: iter::once(0).chain(lines).collect(),
            characters: characters(text),
        };
        let table = DeTable::parse(text).map_err(|error| {
            // Its `Display` would quote the line, and a password with it.
            let message = sanitize(error.message());
            let at = error.span().unwrap_or(0..0);
            document.error(&at, None, Problem::Syntax { message })
        })?;
        let span = table.span();
        Ok(Table::new(
            document,
            String::new(),
            span,
            table.into_inner(),
        ))
    }

    fn error(&self, at: &Range<usize>, key: Option<&str>, problem: Problem) -> ConfigError {
        ConfigError {
            path: self.path.to_owned(),
            place: Some(self.place(at.start)),
            key: key.map(|key| sanitize_up_to(key, 400).to_string()),
            problem: Box::new(problem),
        }
    }

    fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= at);
        // The first line begins at 0, which no place is before.
        let start = self.lines[line - 1];
        Place {
            line,
            column: self.characters_before(at) - self.characters_before(start) + 1,
        }
    }

    fn characters_before(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        let counted = at / STRIDE;
        let rest = &self.text.as_bytes()[counted * STRIDE..at];
        self.characters[counted] + beginnings(rest)
    }

    fn origin(&self, at: &Range<usize>) -> Origin {
        Origin {
            path: self.path.to_owned(),
            line: Some(self.place(at.start).line),
        }
    }
}

impl<'a> Table<'a> {
    fn new(document: Document<'a>, key: String, span: Range<usize>, table: DeTable<'a>) -> Self {
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

    /// Takes out the value of `name`, if there is one.
    pub(crate) fn take(&mut self, name: &str) -> Option<Item<'a>> {
        let at = self.entries.iter().position(|(key, ..)| key == name)?;
        let entry = self.entries.remove(at);
        Some(self.item(entry))
    }

    /// Takes out everything, in the order of the file.
    pub(crate) fn take_all(&mut self) -> Vec<Item<'a>> {
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().map(|entry| self.item(entry)).collect()
    }

    /// Refuses what is left; `known` is what could have been meant.
    pub(crate) fn refuse_rest(mut self, known: &[&'static str]) -> Result<(), ConfigError> {
        match self.take_all().into_iter().next() {
            None => Ok(()),
            Some(item) => {
                let nearest = nearest(&item.name, known);
                Err(item.error(Problem::UnknownKey { nearest }))
            }
        }
    }

    /// Returns an error about the whole table.
    pub(crate) fn error(&self, problem: Problem) -> ConfigError {
        self.document.error(
            &self.span,
            Some(&self.key)
                .filter(|key| !key.is_empty())
                .map(String::as_str),
            problem,
        )
    }

    /// Returns where the table begins.
    pub(crate) fn origin(&self) -> Origin {
        self.document.origin(&self.span)
    }

    fn item(
        &self,
        (name, key_span, value): (String, Range<usize>, Spanned<DeValue<'a>>),
    ) -> Item<'a> {
        let step = quoted(&name);
        let key = match self.key.is_empty() {
            true => step,
            false => format!("{}.{step}", self.key),
        };
        Item {
            document: self.document.clone(),
            key,
            name,
            span: key_span,
            value: value.into_inner(),
        }
    }
}

impl<'a> Item<'a> {
    /// The last step of the way to it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The whole way to it.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Returns where it stands.
    pub(crate) fn origin(&self) -> Origin {
        self.document.origin(&self.span)
    }

    /// Returns where in the file it, or something in it, is first mentioned.
    pub(crate) fn first_mention(&self) -> usize {
        self.span.start.min(first_mention(&self.value))
    }

    /// Returns an error about it.
    pub(crate) fn error(&self, problem: Problem) -> ConfigError {
        self.document.error(&self.span, Some(&self.key), problem)
    }

    /// Tells whether it is a table.
    pub(crate) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// Tells whether it is an array.
    pub(crate) fn is_array(&self) -> bool {
        self.value.is_array()
    }

    /// Tells whether it is a whole number.
    pub(crate) fn is_number(&self) -> bool {
        self.value.as_integer().is_some()
    }

    /// Returns the text that it must be.
    pub(crate) fn text(&self) -> Result<&str, ConfigError> {
        let text = self.value.as_str();
        text.ok_or_else(|| self.wrong_type("a string"))
    }

    /// Returns the text that it must be, and that must say something.
    pub(crate) fn some_text(&self) -> Result<&str, ConfigError> {
        match self.text()?.trim() {
            "" => Err(self.error(Problem::Empty)),
            _ => self.text(),
        }
    }

    /// Returns the path that it must be, where a relative one begins at `base`.
    pub(crate) fn path(&self, base: &Path) -> Result<PathBuf, ConfigError> {
        let text = self.some_text()?;
        match text.starts_with('~') {
            // It would be a directory of that name, which nobody means.
            true => Err(self.error(Problem::Tilde)),
            false => Ok(base.join(text)),
        }
    }

    /// Returns the `true` or `false` that it must be.
    pub(crate) fn flag(&self) -> Result<bool, ConfigError> {
        let flag = self.value.as_bool();
        flag.ok_or_else(|| self.wrong_type("true or false"))
    }

    /// Returns the number between `least` and `most` that it must be.
    pub(crate) fn number(&self, least: u64, most: u64) -> Result<u64, ConfigError> {
        let number = self.value.as_integer();
        let number = number.ok_or_else(|| self.wrong_type("a number"))?;
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
        value
            .filter(|value| (least..=most).contains(value))
            .ok_or_else(|| self.error(Problem::Range { least, most }))
    }

    /// Returns the elements of the array that it must be.
    pub(crate) fn elements(self) -> Result<Vec<Self>, ConfigError> {
        let DeValue::Array(array) = self.value else {
            return Err(self.wrong_type("an array"));
        };
        if array.len() > MOST_ELEMENTS {
            let limit = MOST_ELEMENTS;
            let problem = Problem::TooLong { limit };
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

    /// Returns the elements of an array, or the one text that it is instead.
    pub(crate) fn one_or_more(self) -> Result<Vec<Self>, ConfigError> {
        match &self.value {
            DeValue::String(_) => Ok(vec![self]),
            DeValue::Array(_) => self.elements(),
            _ => Err(self.wrong_type("a string or an array of strings")),
        }
    }

    /// Returns the table that it must be.
    pub(crate) fn table(self) -> Result<Table<'a>, ConfigError> {
        match self.value {
            DeValue::Table(table) => Ok(Table::new(self.document, self.key, self.span, table)),
            _ => Err(self.wrong_type("a table")),
        }
    }

    /// Returns the error that it is of another type.
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
        self.error(Problem::Type { expected, found })
    }
}

/// Returns how many characters begin before each [`STRIDE`]th byte of `text`.
fn characters(text: &str) -> Rc<[usize]> {
    let sums = text.as_bytes().chunks(STRIDE).scan(0, |sum, chunk| {
        *sum += beginnings(chunk);
        Some(*sum)
    });
    iter::once(0).chain(sums).collect()
}

/// Returns how many characters begin in these bytes of a text.
fn beginnings(bytes: &[u8]) -> usize {
    let is_beginning = |byte: &&u8| **byte & 0xc0 != 0x80;
    bytes.iter().filter(is_beginning).count()
}

/// A table that is named after a table in it has its own place in the file only.
fn first_mention(value: &DeValue<'_>) -> usize {
    let entries = value.as_table().into_iter().flatten();
    let places = entries.map(|(key, value)| key.span().start.min(first_mention(value.get_ref())));
    places.min().unwrap_or(usize::MAX)
}

/// Writes a step of a key as TOML would, and no more of it than people read: it is repeated in every key below.
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

    /// I7: a line that cannot be read may hold a password.
    #[test]
    fn a_syntax_error_has_a_place_and_no_text() {
        let text = "downloads = 3\nproxy = \"http://me:hunter2@p\n";
        let error = Document::parse(Path::new("w.toml"), text).unwrap_err();
        assert_eq!(error.to_string(), "w.toml:2:29");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
