//! Functions that make texts of texts.

use crate::WIDEST;
use crate::error::CallFault;
use crate::value::{Text, Value};

pub(crate) fn lower(text: &Text) -> Value {
    Value::Text(text.with(&text.raw().to_lowercase()))
}

pub(crate) fn upper(text: &Text) -> Value {
    Value::Text(text.with(&text.raw().to_uppercase()))
}

/// Makes the first letter of every word large.
pub(crate) fn title(text: &Text) -> Value {
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

/// Returns the first `length` bytes of `text`, less what is there of a character that is cut.
pub(crate) fn truncate(text: &Text, length: i64) -> Result<Value, CallFault> {
    let length = usize::try_from(length).map_err(|_| CallFault::Negative(length))?;
    let raw = text.raw();
    let end = (0..=length.min(raw.len())).rfind(|end| raw.is_char_boundary(*end));
    let end = end.unwrap_or(0);
    Ok(Value::Text(text.with(&raw[..end])))
}

/// Puts spaces before and behind a text that is not empty.
pub(crate) fn pad(text: &Text, before: i64, after: i64) -> Result<Value, CallFault> {
    if text.is_empty() {
        return Ok(Value::Text(text.clone()));
    }
    let spaces = |count: i64| {
        let number = usize::try_from(count).map_err(|_| CallFault::Negative(count))?;
        match number {
            ..=WIDEST => Ok(" ".repeat(number)),
            _ => Err(CallFault::TooMuch(count)),
        }
    };
    let padded = spaces(before)? + text.raw() + &spaces(after)?;
    super::checked(&padded)?;
    Ok(Value::Text(text.with(&padded)))
}
