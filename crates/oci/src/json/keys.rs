//! Finds ambiguous keys and the paths of values in a JSON document.

use std::borrow::Cow;
use std::collections::HashSet;

use super::error::{JsonError, MAX_DEPTH};
use crate::text::{Sanitized, sanitize};

/// Scans the text of a valid JSON document and tracks the path of the current value.
///
/// It is not a serde visitor, because `serde_json` converts numbers to `f64` for a visitor and fails at `1e400`, also in
/// a field that is never used.
pub(super) struct KeyChecker<'a> {
    text: &'a str,
    /// The offset of the next byte to scan.
    position: usize,
    /// The keys whose other spellings are rejected, in objects whose path consists of such keys only.
    known: &'static [&'static str],
    /// The objects and arrays around the current position, outermost first.
    levels: Vec<NestingLevel<'a>>,
}

enum NestingLevel<'a> {
    Object {
        keys: HashSet<Cow<'a, str>>,
        key: Option<Cow<'a, str>>,
    },
    Array {
        index: usize,
    },
}

impl<'a> KeyChecker<'a> {
    pub(super) fn new(text: &'a str, known: &'static [&'static str]) -> Self {
        Self {
            text,
            position: 0,
            known,
            levels: Vec::new(),
        }
    }

    /// Scans up to the first value that ends at or after `end`.
    pub(super) fn advance_to(&mut self, end: usize) -> Result<(), JsonError> {
        while self.position < end {
            let byte = self.text.as_bytes()[self.position];
            self.position += 1;
            match byte {
                b'{' | b'[' if self.position == end => {}
                b'{' => self.enter(NestingLevel::Object {
                    keys: HashSet::new(),
                    key: None,
                })?,
                b'[' => self.enter(NestingLevel::Array { index: 0 })?,
                b'}' | b']' => drop(self.levels.pop()),
                b',' => self.next_member(),
                b'"' => self.string()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn enter(&mut self, level: NestingLevel<'a>) -> Result<(), JsonError> {
        if self.levels.len() == MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.levels.push(level);
        Ok(())
    }

    fn next_member(&mut self) {
        match self.levels.last_mut() {
            Some(NestingLevel::Object { key, .. }) => *key = None,
            Some(NestingLevel::Array { index }) => *index += 1,
            None => {}
        }
    }

    /// Skips a string whose opening quote has just been read; checks it if it is a key.
    fn string(&mut self) -> Result<(), JsonError> {
        let start = self.position;
        let mut escaped = false;
        for byte in &self.text.as_bytes()[start..] {
            self.position += 1;
            match byte {
                b'\\' => escaped = !escaped,
                b'"' if !escaped => break,
                _ => escaped = false,
            }
        }
        if let Some(NestingLevel::Object { key: None, .. }) = self.levels.last() {
            let key = unescape(self.text, start, self.position)?;
            self.check_key(key)?;
        }
        Ok(())
    }

    fn check_key(&mut self, name: Cow<'a, str>) -> Result<(), JsonError> {
        let expected = self.known_spelling(&name);
        let Some(NestingLevel::Object { keys, key }) = self.levels.last_mut() else {
            return Ok(());
        };
        let is_new = keys.insert(name.clone());
        *key = Some(name);
        match expected {
            _ if !is_new => Err(JsonError::DuplicateKey { at: self.path() }),
            Some(expected) => Err(JsonError::OtherCase {
                at: self.path(),
                expected,
            }),
            None => Ok(()),
        }
    }

    /// Returns the known key that Go's reader would match with `name`, if `name` is another spelling of it.
    fn known_spelling(&self, name: &str) -> Option<&'static str> {
        let is_known = |level: &NestingLevel<'_>| match level {
            NestingLevel::Object { key: Some(key), .. } => self.known.contains(&key.as_ref()),
            _ => true,
        };
        if self.known.contains(&name) || !self.levels.iter().all(is_known) {
            return None;
        }
        let folded = fold_to_ascii(name);
        self.known
            .iter()
            .copied()
            .find(|known| known.eq_ignore_ascii_case(&folded))
    }

    /// Returns the path of the current position, such as `layers[2].digest`.
    pub(super) fn path(&self) -> Sanitized {
        let mut path = String::new();
        for level in &self.levels {
            match level {
                NestingLevel::Object { key: None, .. } => {}
                NestingLevel::Object { key: Some(key), .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
                NestingLevel::Array { index } => path.extend(["[", &index.to_string(), "]"]),
            }
        }
        if path.is_empty() {
            path.push_str("the document");
        }
        sanitize(&path)
    }
}

/// Returns the value of the string literal whose opening quote is before `start` and whose closing quote is before
/// `end`.
fn unescape(text: &str, start: usize, end: usize) -> Result<Cow<'_, str>, JsonError> {
    let bare = &text[start..end - 1];
    if !bare.contains('\\') {
        return Ok(Cow::Borrowed(bare));
    }
    match serde_json::from_str(&text[start - 1..end]) {
        Ok(name) => Ok(Cow::Owned(name)),
        Err(error) => Err(JsonError::Syntax {
            message: sanitize(&format!("in a key: {error}")),
        }),
    }
}

/// Replaces the two non-ASCII letters that Go folds to ASCII ones: the long s and the Kelvin sign.
fn fold_to_ascii(name: &str) -> String {
    name.replace('\u{17f}', "s").replace('\u{212a}', "k")
}
