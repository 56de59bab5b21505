//! Functions on texts.

use crate::arguments::check_length;
use crate::error::CallFault;
use crate::limits::MAX_WIDTH;
use crate::value::{TextValue, Value};

pub(crate) fn lower(text: &TextValue) -> Value {
    Value::Text(text.with(&text.raw().to_lowercase()))
}

pub(crate) fn upper(text: &TextValue) -> Value {
    Value::Text(text.with(&text.raw().to_uppercase()))
}

/// Converts the first letter of every word to upper case.
pub(crate) fn title(text: &TextValue) -> Value {
    let mut title = String::with_capacity(text.raw().len());
    let mut is_inside = false;
    for character in text.raw().chars() {
        if is_inside {
            title.push(character);
        } else {
            title.extend(character.to_uppercase());
        }
        is_inside = character.is_alphanumeric() || matches!(character, '_' | '\'');
    }
    Value::Text(text.with(&title))
}

/// Returns the first `length` bytes of `text`, without an incomplete last character.
pub(crate) fn truncate(text: &TextValue, length: i64) -> Result<Value, CallFault> {
    let length = usize::try_from(length).map_err(|_| CallFault::Negative(length))?;
    let raw = text.raw();
    let end = (0..=length.min(raw.len())).rfind(|end| raw.is_char_boundary(*end));
    let end = end.unwrap_or(0);
    Ok(Value::Text(text.with(&raw[..end])))
}

/// Adds spaces before and after a text that is not empty.
pub(crate) fn pad(text: &TextValue, before: i64, after: i64) -> Result<Value, CallFault> {
    if text.is_empty() {
        return Ok(Value::Text(text.clone()));
    }
    let spaces = |count: i64| {
        let number = usize::try_from(count).map_err(|_| CallFault::Negative(count))?;
        match number {
            ..=MAX_WIDTH => Ok(" ".repeat(number)),
            _ => Err(CallFault::TooMuch(count)),
        }
    };
    let padded = spaces(before)? + text.raw() + &spaces(after)?;
    check_length(&padded)?;
    Ok(Value::Text(text.with(&padded)))
}
