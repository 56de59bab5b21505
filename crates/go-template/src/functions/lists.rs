//! Functions on lists, maps and texts.

use crate::arguments::{check_length, int_of, text_of};
use crate::error::CallFault;
use crate::limits::MAX_WIDTH;
use crate::value::{TextValue, Value};

/// Looks up the keys one after the other.
pub(crate) fn index(value: &Value, keys: &[Value]) -> Result<Value, CallFault> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::Map(map), Value::Text(key)) => map.index(key.raw()),
            (Value::Struct(fields), Value::Text(key)) => {
                fields.get(key.raw()).cloned().unwrap_or(Value::Nil)
            }
            (Value::List(list), Value::Int(at)) => {
                let item = usize::try_from(*at).ok().and_then(|at| list.items.get(at));
                item.cloned().ok_or(CallFault::OutOfRange(*at))?
            }
            (Value::Text(text), Value::Int(at)) => {
                let bytes = text.raw().as_bytes();
                let byte = usize::try_from(*at).ok().and_then(|at| bytes.get(at));
                Value::Int(i64::from(*byte.ok_or(CallFault::OutOfRange(*at))?))
            }
            (Value::Map(_) | Value::Struct(_), key) => {
                return Err(CallFault::Kind {
                    wanted: "a text as a key",
                    found: key.kind(),
                });
            }
            (Value::List(_) | Value::Text(_), key) => {
                return Err(CallFault::Kind {
                    wanted: "a whole number as a key",
                    found: key.kind(),
                });
            }
            (value, _) => {
                return Err(CallFault::Kind {
                    wanted: "a list or map",
                    found: value.kind(),
                });
            }
        };
    }
    Ok(value)
}

/// Returns the part of a list or text between two indexes.
pub(crate) fn slice(value: &Value, bounds: &[Value]) -> Result<Value, CallFault> {
    let length = match value {
        Value::List(list) => list.items.len(),
        Value::Text(text) => text.raw().len(),
        value => {
            return Err(CallFault::Kind {
                wanted: "a list or text",
                found: value.kind(),
            });
        }
    };
    let bound = |number: usize, default: usize| match bounds.get(number) {
        None => Ok(default),
        Some(bound) => {
            let bound = int_of(bound)?;
            let place = usize::try_from(bound).ok();
            let place = place.filter(|place| *place <= length);
            place.ok_or(CallFault::OutOfRange(bound))
        }
    };
    let (start, end) = (bound(0, 0)?, bound(1, length)?);
    if start > end {
        let number = |place| i64::try_from(place).unwrap_or(i64::MAX);
        return Err(CallFault::Backwards(number(start), number(end)));
    }
    Ok(match value {
        Value::List(list) => Value::list(list.items[start..end].iter().cloned()),
        Value::Text(text) => {
            // Incomplete characters at the ends are left out.
            let raw = text.raw();
            let is_whole = |at: &usize| raw.is_char_boundary(*at);
            let start = (start..=end).find(is_whole).unwrap_or(end);
            let end = (start..=end).rfind(is_whole).unwrap_or(start);
            Value::Text(text.with(raw.get(start..end).unwrap_or_default()))
        }
        _ => Value::Nil,
    })
}

pub(crate) fn length(value: &Value) -> Result<Value, CallFault> {
    let length = match value {
        Value::Text(text) => text.raw().len(),
        Value::List(list) => list.items.len(),
        Value::Map(map) => map.entries.len(),
        value => {
            return Err(CallFault::Kind {
                wanted: "a text, list or map",
                found: value.kind(),
            });
        }
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// Joins the texts of a list.
pub(crate) fn join(list: &Value, separator: &Value) -> Result<Value, CallFault> {
    let separator = text_of(separator)?;
    let items = match list {
        Value::List(list) => &list.items[..],
        Value::Nil => &[],
        value => {
            return Err(CallFault::Kind {
                wanted: "a list of texts",
                found: value.kind(),
            });
        }
    };
    let mut text = String::new();
    let mut is_guarded = separator.is_guarded();
    for (number, item) in items.iter().enumerate() {
        let item = text_of(item)?;
        is_guarded |= item.is_guarded();
        if number > 0 {
            text.push_str(separator.raw());
        }
        text.push_str(item.raw());
        check_length(&text)?;
    }
    Ok(Value::text(&text, is_guarded))
}

/// Splits a text at every separator, or into characters where the separator is empty.
pub(crate) fn split(text: &Value, separator: &Value) -> Result<Value, CallFault> {
    let (text, separator) = (text_of(text)?, text_of(separator)?);
    let parts: Vec<String> = match separator.is_empty() {
        true => text
            .raw()
            .chars()
            .take(MAX_WIDTH + 1)
            .map(String::from)
            .collect(),
        false => { text.raw().split(separator.raw()).take(MAX_WIDTH + 1) }
            .map(str::to_owned)
            .collect(),
    };
    if parts.len() > MAX_WIDTH {
        return Err(CallFault::TooMuch(
            i64::try_from(parts.len()).unwrap_or(i64::MAX),
        ));
    }
    let part = |part: &String| Value::Text(TextValue::with(text, part));
    Ok(Value::list(parts.iter().map(part)))
}
