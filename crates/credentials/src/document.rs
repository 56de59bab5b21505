//! A JSON object of which every value stays as it was written, to be changed in one place and kept in all others.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What Docker indents with.
const INDENT: &str = "\t";

/// The members of an object in their order, repeated names included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document(Vec<(String, Box<RawValue>)>);

/// How a text was laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    indent: String,
    ends_in_newline: bool,
}

/// Why a text is not an object. Shows nothing of the text.
#[derive(Debug)]
pub(crate) enum NotAnObject {
    Json(serde_json::Error),
    Other,
}

impl Document {
    /// Parses a text. One of white space only is an empty object: an empty file says nothing.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, NotAnObject> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        // The syntax first: errors about syntax do not show values, those about types do.
        let raw: &RawValue = serde_json::from_slice(bytes).map_err(NotAnObject::Json)?;
        Self::of(raw)
    }

    /// Returns the members of `raw`.
    pub(crate) fn of(raw: &RawValue) -> Result<Self, NotAnObject> {
        if !raw.get().starts_with('{') {
            return Err(NotAnObject::Other);
        }
        serde_json::from_str(raw.get()).map_err(NotAnObject::Json)
    }

    /// Returns the value of `name`. Of several the last one counts, as everywhere; `null` is absent.
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        let mut named = self.0.iter().rev().filter(|(key, _)| key == name);
        named
            .next()
            .map(|(_, value)| &**value)
            .filter(|value| value.get() != "null")
    }

    /// Returns every value of `name` but `null`: what readers that merge objects see, as Docker and podman do.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &RawValue> {
        let named = self.members().filter(move |(key, _)| *key == name);
        named
            .map(|(_, value)| value)
            .filter(|value| value.get() != "null")
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), &**value))
    }

    /// Appends the members of `other`.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Gives `name` another value, in its place if it has one. It is the only one then.
    pub(crate) fn set(&mut self, name: &str, value: Box<RawValue>) {
        let Some(place) = self.0.iter().rposition(|(key, _)| key == name) else {
            return self.0.push((name.to_owned(), value));
        };
        self.0[place].1 = value;
        let mut index = 0..;
        self.0
            .retain(|(key, _)| index.next() == Some(place) || key != name);
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(key, _)| keep(key));
    }

    /// Writes the object, the closing brace indented `depth` times.
    pub(crate) fn render(&self, layout: &Layout, depth: usize) -> String {
        if self.0.is_empty() {
            return "{}".to_owned();
        }
        let outer = layout.indent.repeat(depth);
        let inner = layout.indent.repeat(depth + 1);
        let members: Vec<String> = self
            .0
            .iter()
            .map(|(key, value)| format!("{inner}{}: {}", quoted(key), value.get()))
            .collect();
        format!("{{\n{}\n{outer}}}", members.join(",\n"))
    }

    /// Writes the object as a value for another one.
    pub(crate) fn to_raw(&self, layout: &Layout, depth: usize) -> Box<RawValue> {
        RawValue::from_string(self.render(layout, depth)).expect("its parts are JSON")
    }

    /// Writes the object as a whole file.
    pub(crate) fn to_file(&self, layout: &Layout) -> String {
        let mut text = self.render(layout, 0);
        if layout.ends_in_newline {
            text.push('\n');
        }
        text
    }
}

impl Layout {
    /// Tells how `text` is laid out, from the line of its first member.
    pub(crate) fn of(text: &[u8]) -> Self {
        let spaces = text
            .trim_ascii_start()
            .strip_prefix(b"{")
            .map(|rest| &rest[..rest.len() - rest.trim_ascii_start().len()]);
        let line = spaces
            .and_then(|spaces| spaces.rsplit(|byte| *byte == b'\n').next())
            .filter(|line| !line.is_empty())
            .and_then(|line| std::str::from_utf8(line).ok());
        Self {
            indent: line.unwrap_or(INDENT).to_owned(),
            ends_in_newline: text.ends_with(b"\n"),
        }
    }
}

/// Returns `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Document(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_again(text: &str) -> String {
        let document = Document::parse(text.as_bytes()).unwrap();
        document.to_file(&Layout::of(text.as_bytes()))
    }

    #[test]
    fn what_docker_wrote_is_written_the_same() {
        for text in [
            "{\n\t\"auths\": {\n\t\t\"a.test\": {}\n\t},\n\t\"credsStore\": \"x\"\n}",
            "{\n  \"z\": 1e400,\n  \"a\": [1.0, 12345678901234567890123, {\"b\":  null}]\n}\n",
            "{}",
            "{}\n",
        ] {
            assert_eq!(written_again(text), text);
        }
    }

    #[test]
    fn order_and_repeated_names_stay() {
        assert_eq!(
            written_again(r#"{"b":1,"a":2,"b":3}"#),
            "{\n\t\"b\": 1,\n\t\"a\": 2,\n\t\"b\": 3\n}"
        );
        let document = Document::parse(br#"{"b":1,"a":null,"b":3}"#).unwrap();
        assert_eq!(document.get("b").unwrap().get(), "3");
        assert!(document.get("a").is_none());
    }

    #[test]
    fn nothing_is_an_empty_object() {
        assert_eq!(written_again(" \n"), "{}\n");
    }
}
