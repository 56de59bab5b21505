//! JSON as Go's `encoding/json` writes it, to the byte: image IDs are digests of it.
//!
//! Go escapes `<`, `>` and `&`, and the two line ends of Unicode that JavaScript takes for its own, in every
//! string it writes. Values that were kept raw lose their blanks and get those same escapes; for the rest,
//! such as how numbers are written and which other escapes are used, they stay as they were.

use std::fmt::Write as _;

use windlass_oci::JsonError;

use crate::object::Object;

/// An object that is written member by member, in the order of a Go struct's fields.
#[derive(Default)]
pub(crate) struct Struct {
    json: String,
}

impl Struct {
    /// Adds a member whose value is JSON already.
    pub(crate) fn member(&mut self, name: &str, value: &str) {
        let before = if self.json.is_empty() { '{' } else { ',' };
        self.json.push(before);
        self.json.push_str(&text(name));
        self.json.push(':');
        self.json.push_str(value);
    }

    /// Adds a member that is a text, if there is any.
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

/// Writes a string.
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

/// Writes an array of values that are JSON already.
pub(crate) fn array(values: impl IntoIterator<Item = String>) -> String {
    let values: Vec<_> = values.into_iter().collect();
    format!("[{}]", values.join(","))
}

/// Writes a value that was kept raw.
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

/// Reads a command: an array of texts, or one text for an array of one; in old images it may be either.
///
/// What is `null` in the array is empty, and what is absent is none.
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

/// Reads an array of texts; what is `null` in it is empty.
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
    write!(json, "\\u{:04x}", u32::from(character)).expect("a String takes everything");
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
    fn a_raw_value_loses_its_blanks_and_is_escaped_for_html() {
        let raw =
            " { \"a b\" : [ 1.0 ,\n-0, 1E+2 ] , \"\\\\\" : \"\\\" < > \\/ \\u003c \u{2028}\" } ";
        let expected = r#"{"a b":[1.0,-0,1E+2],"\\":"\" \u003c \u003e \/ \u003c \u2028"}"#;
        assert_eq!(compact(raw), expected);
        assert_eq!(compact(expected), expected, "it stays as it is");
    }

    #[test]
    fn an_object_may_be_empty() {
        assert_eq!(Struct::default().finish(), "{}");
    }
}
