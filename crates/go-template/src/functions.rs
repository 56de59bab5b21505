//! The functions of Go and Docker.

mod lists;
mod texts;

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use super::arguments::{check_length, int_of, text_of};
use super::compare;
use super::error::{CallFault, EvalError};
use super::printf;
use super::show;
use super::value::Value;
use windlass_oci::text::escape_json;

/// A function that templates can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    And,
    Eq,
    Ge,
    Gt,
    Index,
    Join,
    Json,
    Le,
    Len,
    Lower,
    Lt,
    Ne,
    Not,
    Or,
    Pad,
    Print,
    Printf,
    Println,
    Slice,
    Split,
    Title,
    Truncate,
    Upper,
}

use Function as F;

/// The name of each function, and the smallest and largest number of arguments.
const TABLE: [(Function, &str, usize, usize); 23] = [
    (F::And, "and", 1, usize::MAX),
    (F::Eq, "eq", 2, usize::MAX),
    (F::Ge, "ge", 2, 2),
    (F::Gt, "gt", 2, 2),
    (F::Index, "index", 1, usize::MAX),
    (F::Join, "join", 2, 2),
    (F::Json, "json", 1, 1),
    (F::Le, "le", 2, 2),
    (F::Len, "len", 1, 1),
    (F::Lower, "lower", 1, 1),
    (F::Lt, "lt", 2, 2),
    (F::Ne, "ne", 2, 2),
    (F::Not, "not", 1, 1),
    (F::Or, "or", 1, usize::MAX),
    (F::Pad, "pad", 3, 3),
    (F::Print, "print", 0, usize::MAX),
    (F::Printf, "printf", 1, usize::MAX),
    (F::Println, "println", 0, usize::MAX),
    (F::Slice, "slice", 1, 3),
    (F::Split, "split", 2, 2),
    (F::Title, "title", 1, 1),
    (F::Truncate, "truncate", 2, 2),
    (F::Upper, "upper", 1, 1),
];

impl Function {
    pub(crate) fn named(name: &str) -> Option<Self> {
        let row = TABLE.iter().find(|(_, known, ..)| *known == name);
        row.map(|(function, ..)| *function)
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|(_, name, ..)| *name)
    }

    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    /// Returns the allowed numbers of arguments.
    pub(crate) fn arguments(self) -> RangeInclusive<usize> {
        let (_, _, least, most) = self.row();
        *least..=*most
    }

    /// Returns whether `value` is the result, whatever arguments follow.
    pub(crate) fn is_decided_by(self, value: &Value) -> bool {
        (self == Self::And && !value.is_true()) || (self == Self::Or && value.is_true())
    }

    fn row(self) -> &'static (Self, &'static str, usize, usize) {
        let row = TABLE.iter().find(|(function, ..)| *function == self);
        row.expect("every function is in the table")
    }
}

/// Calls `function`. The parser has checked the number of `values`.
pub(crate) fn call(function: Function, values: &[Value]) -> Result<Value, EvalError> {
    let name = function.name();
    let value = apply(function, values);
    value.map_err(|fault| EvalError::Call {
        function: name,
        fault,
    })
}

/// Returns how many bytes of texts among `values` a call reads. Printed lists and maps are counted by the length of the
/// result.
pub(crate) fn input_bytes(function: Function, values: &[Value]) -> usize {
    match function {
        F::And | F::Or | F::Not | F::Index | F::Len | F::Slice | F::Truncate => 0,
        F::Eq
        | F::Ge
        | F::Gt
        | F::Join
        | F::Json
        | F::Le
        | F::Lower
        | F::Lt
        | F::Ne
        | F::Pad
        | F::Print
        | F::Printf
        | F::Println
        | F::Split
        | F::Title
        | F::Upper => {
            let texts = values.iter().map(|value| match value {
                Value::Text(text) => text.raw().len(),
                Value::Nil
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::List(_)
                | Value::Map(_)
                | Value::Struct(_) => 0,
            });
            texts.sum()
        }
    }
}

/// Calls `function` with names of columns among `values`. Functions that change texts return them unchanged.
pub(crate) fn header(function: Function, values: &[Value]) -> Value {
    let changes_texts = matches!(
        function,
        F::Json | F::Lower | F::Upper | F::Title | F::Truncate | F::Split | F::Join | F::Slice
    );
    let texts = values
        .iter()
        .filter(|value| matches!(value, Value::Text(_)));
    let first = || texts.clone().next().cloned().unwrap_or(Value::plain(""));
    if changes_texts {
        return first();
    }
    apply(function, values).unwrap_or_else(|_| first())
}

fn apply(function: Function, values: &[Value]) -> Result<Value, CallFault> {
    match (function, values) {
        (F::And | F::Or, values) => Ok(values.last().cloned().unwrap_or(Value::Nil)),
        (F::Not, [value]) => Ok(Value::Bool(!value.is_true())),
        (F::Eq, [first, others @ ..]) => compare::is_one_of(first, others).map(Value::Bool),
        (F::Ne, [a, b]) => {
            compare::is_one_of(a, std::slice::from_ref(b)).map(|eq| Value::Bool(!eq))
        }
        (F::Lt, [a, b]) => compare::order(a, b, Ordering::is_lt).map(Value::Bool),
        (F::Le, [a, b]) => compare::order(a, b, Ordering::is_le).map(Value::Bool),
        (F::Gt, [a, b]) => compare::order(a, b, Ordering::is_gt).map(Value::Bool),
        (F::Ge, [a, b]) => compare::order(a, b, Ordering::is_ge).map(Value::Bool),
        (F::Index, [value, keys @ ..]) => lists::index(value, keys),
        (F::Slice, [value, bounds @ ..]) => lists::slice(value, bounds),
        (F::Len, [value]) => lists::length(value),
        (F::Join, [list, separator]) => lists::join(list, separator),
        (F::Split, [value, separator]) => lists::split(value, separator),
        (F::Json, [value]) => json(value),
        (F::Lower, [value]) => Ok(texts::lower(text_of(value)?)),
        (F::Upper, [value]) => Ok(texts::upper(text_of(value)?)),
        (F::Title, [value]) => Ok(texts::title(text_of(value)?)),
        (F::Truncate, [value, length]) => texts::truncate(text_of(value)?, int_of(length)?),
        (F::Pad, [value, before, after]) => {
            texts::pad(text_of(value)?, int_of(before)?, int_of(after)?)
        }
        (F::Print, values) => print(values),
        (F::Println, values) => println(values),
        (F::Printf, [form, values @ ..]) => printf::printf(text_of(form)?, values),
        // The parser has checked the number of arguments.
        (function, _) => Err(CallFault::Kind {
            wanted: "other values",
            found: function.name(),
        }),
    }
}

/// Prints texts next to each other, and a space between other values.
fn print(values: &[Value]) -> Result<Value, CallFault> {
    let mut text = String::new();
    let mut was_text = true;
    for (number, value) in values.iter().enumerate() {
        let is_text = matches!(value, Value::Text(_));
        if number > 0 && !is_text && !was_text {
            text.push(' ');
        }
        text.push_str(&show::show(value));
        check_length(&text)?;
        was_text = is_text;
    }
    Ok(Value::plain(&text))
}

/// Prints a space between all values, and a line break.
fn println(values: &[Value]) -> Result<Value, CallFault> {
    let mut text = String::new();
    for (number, value) in values.iter().enumerate() {
        if number > 0 {
            text.push(' ');
        }
        text.push_str(&show::show(value));
        check_length(&text)?;
    }
    text.push('\n');
    Ok(Value::plain(&text))
}

/// Escapes what could steer a terminal, like all JSON output of windlass; the value does not change.
fn json(value: &Value) -> Result<Value, CallFault> {
    let text = serde_json::to_string(value).map_err(|_| CallFault::Kind {
        wanted: "what JSON has",
        found: value.kind(),
    })?;
    let text = escape_json(&text);
    check_length(&text)?;
    Ok(Value::plain(&text))
}
