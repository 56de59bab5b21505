//! `printf`, with Go's verbs, flags, widths, precisions and error markers.

mod spec;
mod verb;

use super::arguments::check_length;
use super::error::CallFault;
use super::limits::{MAX_OUTPUT_BYTES, MAX_WIDTH};
use super::value::{TextValue, Value};
use spec::{DirectiveCount, FormatDirective};

/// Formats `values` according to `form`.
pub(crate) fn printf(form: &TextValue, values: &[Value]) -> Result<Value, CallFault> {
    let form = form.shown();
    let mut printer = Printer {
        values,
        next: 0,
        is_reordered: false,
    };
    let mut text = String::new();
    let mut rest = &*form;
    while let Some((before, directive)) = rest.split_once('%') {
        text.push_str(before);
        let (spec, length) = FormatDirective::read(directive);
        text.push_str(&printer.directive(&spec));
        check_length(&text)?;
        rest = &directive[length..];
    }
    text.push_str(rest);
    text.push_str(&printer.left_over());
    check_length(&text)?;
    Ok(Value::plain(&text))
}

struct Printer<'a> {
    values: &'a [Value],
    next: usize,
    /// Whether a directive has chosen its value by number.
    is_reordered: bool,
}

impl Printer<'_> {
    fn directive(&mut self, spec: &FormatDirective) -> String {
        let mut spec = spec.clone();
        let mut complaint = "";
        if let Some(DirectiveCount::FromValue) = spec.width {
            match self.count() {
                Some(width) => {
                    spec.is_left |= width < 0;
                    spec.width = Some(DirectiveCount::Is(
                        usize::try_from(width.unsigned_abs()).unwrap_or(0),
                    ));
                }
                None => {
                    spec.width = None;
                    complaint = "%!(BADWIDTH)";
                }
            }
        }
        if let Some(DirectiveCount::FromValue) = spec.precision {
            let precision = self.count();
            spec.precision =
                { precision.and_then(|count| usize::try_from(count).ok()) }.map(DirectiveCount::Is);
            if precision.is_none() {
                complaint = "%!(BADPREC)";
            }
        }
        let Some(verb) = spec.verb else {
            return format!("{complaint}%!(NOVERB)");
        };
        if verb == '%' {
            return format!("{complaint}%");
        }
        if let Some(number) = spec.index {
            self.is_reordered = true;
            match number.checked_sub(1) {
                Some(at) if at < self.values.len() => self.next = at,
                _ => return format!("{complaint}%!{verb}(BADINDEX)"),
            }
        }
        let Some(value) = self.values.get(self.next) else {
            return format!("{complaint}%!{verb}(MISSING)");
        };
        self.next += 1;
        complaint.to_owned() + &verb::print(value, verb, &spec)
    }

    /// Reads an argument as width or precision.
    fn count(&mut self) -> Option<i64> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        match value {
            Value::Int(int) if int.unsigned_abs() <= MAX_WIDTH as u64 => Some(*int),
            _ => None,
        }
    }

    /// Returns Go's marker for surplus arguments.
    fn left_over(&self) -> String {
        if self.is_reordered || self.next >= self.values.len() {
            return String::new();
        }
        let mut text = "%!(EXTRA ".to_owned();
        for (number, value) in self.values[self.next..].iter().enumerate() {
            if text.len() > MAX_OUTPUT_BYTES {
                break;
            }
            if number > 0 {
                text.push_str(", ");
            }
            text.push_str(verb::go_type(value));
            if !matches!(value, Value::Nil) {
                text.push('=');
                text.push_str(&super::show::show(value));
            }
        }
        text.push(')');
        text
    }
}
