//! Go's default format of values.

use super::float;
use super::limits::MAX_OUTPUT_BYTES;
use super::value::{Value, shown};

/// Formats `value` as an action prints it.
pub(crate) fn printed(value: &Value) -> String {
    match value {
        Value::Nil => "<no value>".to_owned(),
        value => show(value),
    }
}

/// Formats `value` as `%v` does, and as part of another value.
pub(crate) fn show(value: &Value) -> String {
    with(value, &mut |value| match value {
        Value::Bool(bool) => bool.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Float(number) => float::general(*number, None),
        Value::Text(text) => text.shown().into_owned(),
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Struct(_) => "<nil>".to_owned(),
    })
}

/// Formats `value`; `one` formats the values without elements.
///
/// Elements that begin beyond the limit of a text are left out: every caller rejects a text that exceeds it.
pub(crate) fn with(value: &Value, one: &mut dyn FnMut(&Value) -> String) -> String {
    let mut text = String::new();
    append(&mut text, value, one);
    text
}

fn append(text: &mut String, value: &Value, one: &mut dyn FnMut(&Value) -> String) {
    if text.len() > MAX_OUTPUT_BYTES {
        return;
    }
    match value {
        Value::List(list) => {
            text.push('[');
            for (number, item) in list.items.iter().enumerate() {
                separate(text, number);
                append(text, item, one);
            }
            text.push(']');
        }
        Value::Map(map) => {
            text.push_str("map[");
            for (number, (key, value)) in map.entries.iter().enumerate() {
                separate(text, number);
                text.push_str(&shown(key, map.is_guarded));
                text.push(':');
                append(text, value, one);
            }
            text.push(']');
        }
        Value::Struct(fields) => {
            text.push('{');
            for (number, field) in fields.shown().enumerate() {
                separate(text, number);
                append(text, &field.value, one);
            }
            text.push('}');
        }
        Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {
            text.push_str(&one(value));
        }
    }
}

/// Adds a space before every element but the first.
fn separate(text: &mut String, number: usize) {
    if number > 0 {
        text.push(' ');
    }
}
