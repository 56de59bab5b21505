//! JSON exactly as Go's `encoding/json` writes it: image IDs are digests of these bytes.
//!
//! In strings, Go escapes `<`, `>`, `&` and the Unicode line separators U+2028 and U+2029. Raw values
//! (`json.RawMessage`) are compacted and get the same escapes; otherwise, such as in the form of numbers and other
//! escapes, they are unchanged.

use std::fmt::Write as _;

use windlass_oci::JsonError;

use crate::object::Object;

/// Writes an object member by member, in the order of the calls.
#[derive(Default)]
pub(crate) struct ObjectWriter {
    json: String,
}

impl ObjectWriter {
    /// Adds a member; `value` is JSON.
    pub(crate) fn member(&mut self, name: &str, value: &str) {
        let before = if self.json.is_empty() { '{' } else { ',' };
        self.json.push(before);
        self.json.push_str(&text(name));
        self.json.push(':');
        self.json.push_str(value);
    }

    /// Adds a member with a string value, unless the string is empty.
    pub(crate) fn text_unless_empty(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.member(name, &text(value));
        }
    }

    pub(crate) fn finish(mut self) -> String {
        if self.json.is_empty() {
            self.json.push('{');
        }
        self.json.push('}');
        self.json
    }
}

/// Returns a string as JSON.
pub(crate) fn text(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\0'..='\x1f' => escape(&mut json, character),
            other => escape_or_push(&mut json, other),
        }
    }
    json.push('"');
    json
}

/// Returns an array; the values are JSON.
pub(crate) fn array(values: impl IntoIterator<Item = String>) -> String {
    let values: Vec<_> = values.into_iter().collect();
    format!("[{}]", values.join(","))
}

/// Returns a raw value without white space between tokens, with Go's escapes.
pub(crate) fn compact(raw: &str) -> String {
    let mut json = String::with_capacity(raw.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in raw.chars() {
        match character {
            ' ' | '\t' | '\n' | '\r' if !in_string => continue,
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && character == '\\' && !escaped;
        escape_or_push(&mut json, character);
    }
    json
}

/// Reads a command: an array of strings, or a single string, as in old images.
///
/// `null` in the array is an empty string; an absent value is `None`.
pub(crate) fn one_or_many(
    object: &Object<'_>,
    key: &str,
) -> Result<Option<Vec<String>>, JsonError> {
    if object
        .raw(key)
        .is_some_and(|raw| raw.get().starts_with('"'))
    {
        return Ok(Some(vec![object.text(key)?]));
    }
    texts(object, key)
}

/// Reads an array of strings; `null` in it is an empty string.
pub(crate) fn texts(object: &Object<'_>, key: &str) -> Result<Option<Vec<String>>, JsonError> {
    let read: Option<Vec<Option<String>>> = object.get(key)?;
    Ok(read.map(|texts| texts.into_iter().map(Option::unwrap_or_default).collect()))
}

fn escape_or_push(json: &mut String, character: char) {
    match character {
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escape(json, character),
        other => json.push(other),
    }
}

fn escape(json: &mut String, character: char) {
    write!(json, "\\u{:04x}", u32::from(character)).expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_escaped_for_html() {
        let wild = "<a href=\"x\">&\\/\u{2028}\u{2029}\u{202a}\n\r\t\u{8}\u{c}\0\u{1f}\u{7f}ö😀";
        let expected = concat!(
            r#""\u003ca href=\"x\"\u003e\u0026\\/\u2028\u2029"#,
            "\u{202a}",
            r"\n\r\t\u0008\u000c\u0000\u001f",
            "\u{7f}ö😀\""
        );
        assert_eq!(text(wild), expected);
    }

    #[test]
    fn a_raw_value_is_compacted_and_escaped_for_html() {
        let raw =
            " { \"a b\" : [ 1.0 ,\n-0, 1E+2 ] , \"\\\\\" : \"\\\" < > \\/ \\u003c \u{2028}\" } ";
        let expected = r#"{"a b":[1.0,-0,1E+2],"\\":"\" \u003c \u003e \/ \u003c \u2028"}"#;
        assert_eq!(compact(raw), expected);
        assert_eq!(compact(expected), expected, "compacting is idempotent");
    }

    #[test]
    fn an_object_may_be_empty() {
        assert_eq!(ObjectWriter::default().finish(), "{}");
    }
}
