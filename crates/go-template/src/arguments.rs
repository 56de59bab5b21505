//! Checks of the arguments and results of functions.

use super::error::CallFault;
use super::limits::MAX_OUTPUT_BYTES;
use super::value::{TextValue, Value};

/// Returns an error if a text exceeds the limit.
pub(crate) fn check_length(text: &str) -> Result<(), CallFault> {
    match text.len() {
        ..=MAX_OUTPUT_BYTES => Ok(()),
        _ => Err(CallFault::TooLong),
    }
}

/// Returns the text that `value` is, or an error if it is none.
pub(crate) fn text_of(value: &Value) -> Result<&TextValue, CallFault> {
    match value {
        Value::Text(text) => Ok(text),
        value => Err(CallFault::Kind {
            wanted: "a text",
            found: value.kind(),
        }),
    }
}

/// Returns the whole number that `value` is, or an error if it is none.
pub(crate) fn int_of(value: &Value) -> Result<i64, CallFault> {
    match value {
        Value::Int(int) => Ok(*int),
        value => Err(CallFault::Kind {
            wanted: "a whole number",
            found: value.kind(),
        }),
    }
}
