//! Keys that other readers would read otherwise, and the places of values.

use std::borrow::Cow;
use std::collections::HashSet;

use super::JsonError;
use crate::text::{Sanitized, sanitize};

/// How deep objects and arrays may be nested. Manifests and configs need five levels.
pub(super) const MAX_DEPTH: usize = 64;

/// Walks through a document that is known to be JSON, and knows where it stands.
///
/// Not a serde visitor: a visitor is shown numbers as `f64`, and so fails at `1e400` in a field that
/// nobody reads.
pub(super) struct Walk<'a> {
    text: &'a str,
    at: usize,
    /// The keys that have a meaning, where all keys above them have one.
    meant: &'static [&'static str],
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
    pub(super) fn new(text: &'a str, meant: &'static [&'static str]) -> Self {
        Self {
            text,
            at: 0,
            meant,
            levels: Vec::new(),
        }
    }

    /// Goes on to the first value that ends at or behind `end`.
    pub(super) fn run_to(&mut self, end: usize) -> Result<(), JsonError> {
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
        if let Some(Level::Object { key: None, .. }) = self.levels.last() {
            let key = unescaped(self.text, start, self.at)?;
            self.key(key)?;
        }
        Ok(())
    }

    fn key(&mut self, name: Cow<'a, str>) -> Result<(), JsonError> {
        let meant = self.other_case_of(&name);
        let Some(Level::Object { keys, key }) = self.levels.last_mut() else {
            return Ok(());
        };
        let is_new = keys.insert(name.clone());
        *key = Some(name);
        match meant {
            _ if !is_new => Err(JsonError::RepeatedKey { at: self.path() }),
            Some(meant) => Err(JsonError::OtherCase {
                at: self.path(),
                meant,
            }),
            None => Ok(()),
        }
    }

    /// Returns the key with a meaning that Go's reader would take `name` for, though it is another.
    fn other_case_of(&self, name: &str) -> Option<&'static str> {
        let has_meaning = |level: &Level<'_>| match level {
            Level::Object { key: Some(key), .. } => self.meant.contains(&key.as_ref()),
            _ => true,
        };
        if self.meant.contains(&name) || !self.levels.iter().all(has_meaning) {
            return None;
        }
        let folded = folded(name);
        self.meant
            .iter()
            .copied()
            .find(|meant| meant.eq_ignore_ascii_case(&folded))
    }

    /// Returns where the walk stands, such as `layers[2].digest`.
    pub(super) fn path(&self) -> Sanitized {
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
        sanitize(&path)
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
            message: sanitize(&format!("in a key: {error}")),
        }),
    }
}

/// Two letters outside ASCII are other cases of ASCII letters: the long s and the Kelvin sign.
fn folded(name: &str) -> String {
    name.replace('\u{17f}', "s").replace('\u{212a}', "k")
}
