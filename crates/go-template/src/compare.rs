//! Equality and order. As in Go, values of different types can be neither compared nor ordered.

use std::cmp::Ordering;

use super::error::CallFault;
use super::value::Value;

/// Returns whether `value` equals one of `others`.
pub(crate) fn is_one_of(value: &Value, others: &[Value]) -> Result<bool, CallFault> {
    for other in others {
        if is_equal(value, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_equal(a: &Value, b: &Value) -> Result<bool, CallFault> {
    Ok(match (a, b) {
        (Value::Nil, b) => matches!(b, Value::Nil),
        (_, Value::Nil) => false,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b) == Some(Ordering::Equal),
        (Value::Text(a), Value::Text(b)) => a.raw() == b.raw(),
        (a, b) => return Err(CallFault::Incomparable(a.kind(), b.kind())),
    })
}

/// Returns whether `is` is true for the order of two numbers or texts. NaN has no order.
pub(crate) fn order(a: &Value, b: &Value, is: fn(Ordering) -> bool) -> Result<bool, CallFault> {
    let order = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => Some(a.raw().cmp(b.raw())),
        (a, b) => return Err(CallFault::Incomparable(a.kind(), b.kind())),
    };
    Ok(order.is_some_and(is))
}
