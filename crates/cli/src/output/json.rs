//! JSON output: one object per line, or one indented document as in Docker.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use windlass::text::escape_json;

/// Writes `value` on one line.
pub(crate) fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(value)?;
    writeln!(out, "{}", escape_json(&text))
}

/// Writes `value` indented by four spaces per level, like `docker inspect`.
pub(crate) fn document(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut text, formatter,
    ))?;
    let text = String::from_utf8(text).expect("serialized JSON is UTF-8");
    writeln!(out, "{}", escape_json(&text))
}

/// Writes `json` indented by four spaces per level, without changing its members, numbers and strings.
///
/// The output for invalid JSON is unspecified, but has no control characters either.
pub(crate) fn indented(out: &mut dyn Write, json: &str) -> io::Result<()> {
    let mut text = String::with_capacity(2 * json.len());
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut characters = json.chars().filter(|c| *c >= ' ').peekable();
    while let Some(character) = characters.next() {
        if in_string {
            in_string = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
            text.push(character);
            continue;
        }
        match character {
            '{' | '[' => {
                text.push(character);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = characters.next_if(|c| matches!(c, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(character);
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            ' ' => {}
            _ => {
                in_string = character == '"';
                text.push(character);
            }
        }
    }
    writeln!(out, "{}", escape_json(&text))
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.push_str(&"    ".repeat(depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R9: a parser reads the same value, and no control character reaches the terminal.
    #[test]
    fn control_characters_in_strings_are_escaped() {
        let value = serde_json::json!({ "a": "\x1b[31m\u{9b}31m\u{202e}é\n" });
        let mut out = Vec::new();
        line(&mut out, &value).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "{\"a\":\"\\u001b[31m\\u009b31m\\u202eé\\n\"}\n");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    /// Order, repeated members, numbers and escapes are kept; a parser would change them.
    #[test]
    fn indentation_keeps_the_text_of_values() {
        let json =
            "{\"b\":[1.50,{}, [ ],\n\t{\"x\":null}],\"a\":\"{,:\\\"}\\\\\",\"b\":\"\u{202e}\"}\n";
        let mut out = Vec::new();
        indented(&mut out, json).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        {
            "b": [
                1.50,
                {},
                [],
                {
                    "x": null
                }
            ],
            "a": "{,:\"}\\",
            "b": "\u202e"
        }
        "#);
    }

    /// R9.
    #[test]
    fn control_characters_in_invalid_json_are_escaped() {
        let mut out = Vec::new();
        indented(&mut out, "}}]\u{1b}[2J\"\u{9b}\u{7f}").unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\n}\n}\n][\n    2J\"\\u009b\\u007f\n"
        );
    }

    #[test]
    fn documents_are_indented_like_docker() {
        let mut out = Vec::new();
        document(
            &mut out,
            &serde_json::json!([{ "Id": "x", "RepoTags": [] }]),
        )
        .unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        [
            {
                "Id": "x",
                "RepoTags": []
            }
        ]
        "#);
    }
}
