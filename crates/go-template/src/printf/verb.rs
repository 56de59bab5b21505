//! Formatting of one value with one verb.

use super::spec::FormatDirective;
use crate::float;
use crate::show;
use crate::value::Value;
use windlass_oci::text::{escape, is_printable};

/// Formats `value`. The verb applies to the elements of lists, maps and structs.
pub(crate) fn print(value: &Value, verb: char, spec: &FormatDirective) -> String {
    // With `%v`, the flag `+` adds the names of struct fields in Go, and no signs.
    let spec = &FormatDirective {
        has_sign: spec.has_sign && verb != 'v',
        ..spec.clone()
    };
    match verb {
        'T' => pad(go_type(value), spec),
        _ => show::with(value, &mut |value| one(value, verb, spec)),
    }
}

fn one(value: &Value, verb: char, spec: &FormatDirective) -> String {
    let printed = match value {
        Value::Nil if verb == 'v' => Some(pad("<nil>", spec)),
        Value::Bool(bool) if matches!(verb, 't' | 'v') => Some(pad(&bool.to_string(), spec)),
        Value::Int(int) => whole(*int, verb, spec),
        Value::Float(number) => fraction(*number, verb, spec),
        Value::Text(text) => {
            let text = match spec.precision() {
                Some(most) => text.shown_start(most),
                None => text.shown().into_owned(),
            };
            word(text, verb, spec)
        }
        Value::Nil | Value::Bool(_) | Value::List(_) | Value::Map(_) | Value::Struct(_) => None,
    };
    printed.unwrap_or_else(|| misfit(value, verb))
}

fn misfit(value: &Value, verb: char) -> String {
    match value {
        Value::Nil => format!("%!{verb}(<nil>)"),
        value => format!("%!{verb}({}={})", go_type(value), show::show(value)),
    }
}

/// Returns the name of the Go type.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Nil => "<nil>",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float64",
        Value::Text(_) => "string",
        Value::List(_) => "[]string",
        Value::Map(_) => "map[string]string",
        Value::Struct(_) => "struct",
    }
}

fn whole(int: i64, verb: char, spec: &FormatDirective) -> Option<String> {
    let size = int.unsigned_abs();
    let character = || {
        u32::try_from(int)
            .ok()
            .and_then(char::from_u32)
            .unwrap_or('\u{fffd}')
    };
    let prefix = |prefix: &'static str| if spec.is_alternate { prefix } else { "" };
    let (prefix, digits) = match verb {
        'd' | 'v' => ("", size.to_string()),
        'b' => (prefix("0b"), format!("{size:b}")),
        'o' => (prefix("0"), format!("{size:o}")),
        'O' => ("0o", format!("{size:o}")),
        'x' => (prefix("0x"), format!("{size:x}")),
        'X' => (prefix("0X"), format!("{size:X}")),
        // A number from an image must not become a character that controls the terminal (R9).
        'c' => return Some(pad(&escape(&character().to_string()), spec)),
        'q' => return Some(pad(&quoted(&character().to_string(), '\'', spec), spec)),
        'U' => return Some(pad(&format!("U+{:04X}", u32::from(character())), spec)),
        _ => return None,
    };
    let least = spec.precision().unwrap_or(0);
    let digits = format!("{prefix}{digits:0>least$}");
    Some(number(int < 0, &digits, spec, spec.precision().is_none()))
}

fn fraction(value: f64, verb: char, spec: &FormatDirective) -> Option<String> {
    let size = value.abs();
    let digits = match verb {
        'e' => float::exponential(size, Some(spec.precision().unwrap_or(6))),
        'E' => float::exponential(size, Some(spec.precision().unwrap_or(6))).to_uppercase(),
        'f' | 'F' => format!("{size:.*}", spec.precision().unwrap_or(6)),
        'g' | 'v' => float::general(size, spec.precision()),
        'G' => float::general(size, spec.precision()).to_uppercase(),
        _ => return None,
    };
    Some(number(value.is_sign_negative(), &digits, spec, true))
}

/// Adds the sign, and zeros up to the width.
fn number(is_negative: bool, digits: &str, spec: &FormatDirective, zeros: bool) -> String {
    let sign = match is_negative {
        true => "-",
        false if spec.has_sign => "+",
        false if spec.has_space => " ",
        false => "",
    };
    if spec.has_zeros && !spec.is_left && zeros {
        let width = spec.width().saturating_sub(sign.len());
        return format!("{sign}{}", zeroed(digits, width));
    }
    pad(&format!("{sign}{digits}"), spec)
}

fn word(text: String, verb: char, spec: &FormatDirective) -> Option<String> {
    let hexadecimal = |upper: bool| {
        let bytes = text.bytes().map(|byte| format!("{byte:02x}"));
        let digits: String = bytes.collect();
        if upper { digits.to_uppercase() } else { digits }
    };
    let text = match verb {
        'v' if spec.is_alternate => quoted(&text, '"', &FormatDirective::default()),
        's' | 'v' => text,
        'q' if spec.is_alternate && !text.contains(['`', '\n', '\r']) => format!("`{text}`"),
        'q' => quoted(&text, '"', spec),
        'x' => hexadecimal(false),
        'X' => hexadecimal(true),
        _ => return None,
    };
    Some(pad(&text, spec))
}

/// Quotes `text` with Go's escapes for characters that are not printable.
fn quoted(text: &str, quotes: char, spec: &FormatDirective) -> String {
    let mut quoted = String::from(quotes);
    for character in text.chars() {
        let prints = match spec.has_sign {
            true => matches!(character, ' '..='~'),
            false => is_printable(character),
        };
        let code = u32::from(character);
        match character {
            '\\' => quoted.push_str("\\\\"),
            _ if character == quotes => quoted.extend(['\\', character]),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            _ if prints => quoted.push(character),
            _ if code < 0x80 => quoted.extend(["\\x", &format!("{code:02x}")]),
            _ if code < 0x1_0000 => quoted.extend(["\\u", &format!("{code:04x}")]),
            _ => quoted.extend(["\\U", &format!("{code:08x}")]),
        }
    }
    quoted.push(quotes);
    quoted
}

fn pad(text: &str, spec: &FormatDirective) -> String {
    let width = spec.width();
    match (spec.is_left, spec.has_zeros) {
        (true, _) => format!("{}{}", text, " ".repeat(missing(text, width))),
        (false, true) => zeroed(text, width),
        (false, false) => format!("{}{}", " ".repeat(missing(text, width)), text),
    }
}

fn zeroed(text: &str, width: usize) -> String {
    "0".repeat(missing(text, width)) + text
}

/// Returns how many characters `text` is shorter than `width`. The width of Rust's formatting is limited to 65535.
fn missing(text: &str, width: usize) -> usize {
    width.saturating_sub(text.chars().count())
}
