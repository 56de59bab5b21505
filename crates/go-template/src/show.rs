//! Go's default format of values.

use std::fmt::Write as _;

use super::float;
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
        _ => "<nil>".to_owned(),
    })
}

/// Formats `value`; `one` formats the values without elements.
pub(crate) fn with(value: &Value, one: &mut dyn FnMut(&Value) -> String) -> String {
    let mut text = String::new();
    match value {
        Value::List(list) => {
            let items: Vec<String> = list.items.iter().map(|item| with(item, one)).collect();
            text = format!("[{}]", items.join(" "));
        }
        Value::Map(map) => {
            text.push_str("map[");
            for (number, (key, value)) in map.entries.iter().enumerate() {
                let space = if number == 0 { "" } else { " " };
                let key = shown(key, map.is_guarded);
                write!(text, "{space}{key}:{}", with(value, one)).expect("a string takes all text");
            }
            text.push(']');
        }
        Value::Struct(fields) => {
            let values = fields.shown().map(|field| with(&field.value, one));
            text = format!("{{{}}}", values.collect::<Vec<_>>().join(" "));
        }
        Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {
            text = one(value);
        }
    }
    text
}
