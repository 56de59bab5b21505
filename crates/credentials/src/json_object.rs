//! A JSON object that can be changed in one place while the text of all other values stays unchanged.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The indentation that Docker uses.
const DEFAULT_INDENT: &str = "\t";

/// The members of an object in their order, including duplicate names.
#[derive(Clone, Debug, Default)]
pub(crate) struct JsonObject(Vec<(String, Box<RawValue>)>);

/// The formatting of a JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonStyle {
    indent: String,
    ends_in_newline: bool,
}

/// The reason why a text is not an object. It contains nothing of the text.
#[derive(Debug)]
pub(crate) enum NotAnObject {
    Json(serde_json::Error),
    Other,
}

impl JsonObject {
    /// Parses a text. White space only is an empty object, because an empty credential file is valid.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, NotAnObject> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        // The syntax is checked first, because syntax errors do not contain values but type errors do.
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

    /// Returns the value of `name`. If there are several, the last one is used. `null` is treated as missing.
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        let mut named = self.0.iter().rev().filter(|(key, _)| key == name);
        named
            .next()
            .map(|(_, value)| &**value)
            .filter(|value| value.get() != "null")
    }

    /// Returns all values of `name` except `null`. Docker and podman merge the objects of duplicate names.
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

    /// Sets the value of `name` at its position, or appends it. Duplicates are removed.
    pub(crate) fn set(&mut self, name: &str, value: Box<RawValue>) {
        let Some(position) = self.0.iter().rposition(|(key, _)| key == name) else {
            return self.0.push((name.to_owned(), value));
        };
        self.0[position].1 = value;
        let mut index = 0..;
        self.0
            .retain(|(key, _)| index.next() == Some(position) || key != name);
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(key, _)| keep(key));
    }

    /// Returns the object as text. The closing brace is indented `depth` times.
    pub(crate) fn render(&self, style: &JsonStyle, depth: usize) -> String {
        if self.0.is_empty() {
            return "{}".to_owned();
        }
        let outer = style.indent.repeat(depth);
        let inner = style.indent.repeat(depth + 1);
        let members: Vec<String> = self
            .0
            .iter()
            .map(|(key, value)| format!("{inner}{}: {}", quoted(key), value.get()))
            .collect();
        format!("{{\n{}\n{outer}}}", members.join(",\n"))
    }

    /// Returns the object as a value for another object.
    pub(crate) fn to_raw(&self, style: &JsonStyle, depth: usize) -> Box<RawValue> {
        RawValue::from_string(self.render(style, depth)).expect("keys and values are valid JSON")
    }

    /// Returns the object as the text of a file.
    pub(crate) fn to_file(&self, style: &JsonStyle) -> String {
        let mut text = self.render(style, 0);
        if style.ends_in_newline {
            text.push('\n');
        }
        text
    }
}

impl JsonStyle {
    /// Detects the formatting of `text` from the line of its first member.
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
            indent: line.unwrap_or(DEFAULT_INDENT).to_owned(),
            ends_in_newline: text.ends_with(b"\n"),
        }
    }
}

/// Returns `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = JsonObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonObject, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(JsonObject(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        let document = JsonObject::parse(text.as_bytes()).unwrap();
        document.to_file(&JsonStyle::of(text.as_bytes()))
    }

    #[test]
    fn formatting_is_preserved() {
        for text in [
            "{\n\t\"auths\": {\n\t\t\"a.test\": {}\n\t},\n\t\"credsStore\": \"x\"\n}",
            "{\n  \"z\": 1e400,\n  \"a\": [1.0, 12345678901234567890123, {\"b\":  null}]\n}\n",
            "{}",
            "{}\n",
        ] {
            assert_eq!(rewritten(text), text);
        }
    }

    #[test]
    fn order_and_duplicate_names_are_preserved() {
        assert_eq!(
            rewritten(r#"{"b":1,"a":2,"b":3}"#),
            "{\n\t\"b\": 1,\n\t\"a\": 2,\n\t\"b\": 3\n}"
        );
        let document = JsonObject::parse(br#"{"b":1,"a":null,"b":3}"#).unwrap();
        assert_eq!(document.get("b").unwrap().get(), "3");
        assert!(document.get("a").is_none());
    }

    #[test]
    fn an_empty_text_is_an_empty_object() {
        assert_eq!(rewritten(" \n"), "{}\n");
    }
}
