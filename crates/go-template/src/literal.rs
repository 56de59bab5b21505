//! Go's literals: numbers, strings in quotes and backquotes, characters.

use super::error::ParseFault;
use super::value::Value;

/// The largest byte escape that is a character. Texts are UTF-8 here, so larger ones are rejected.
const ASCII: u32 = 0x7f;

/// A value and the length of its literal, in bytes.
type LiteralResult = Result<(Value, usize), ParseFault>;

/// Reads a number at the start of `source`.
pub(crate) fn number(source: &str) -> LiteralResult {
    let mut is_exponent = false;
    let mut is_hexadecimal = false;
    let end = source.char_indices().position(|(at, character)| {
        let is_sign = matches!(character, '+' | '-') && (at == 0 || is_exponent);
        is_hexadecimal |= matches!(character, 'x' | 'X');
        is_exponent = matches!(character, 'e' | 'E') && !is_hexadecimal;
        !(is_sign || matches!(character, '.' | '_') || character.is_ascii_alphanumeric())
    });
    let text = &source[..end.unwrap_or(source.len())];
    let value = parse(text).ok_or_else(|| ParseFault::Number(text.to_owned()))?;
    Ok((value, text.len()))
}

fn parse(text: &str) -> Option<Value> {
    let is_float = text.contains(['.', 'e', 'E']) && !text.contains(['x', 'X']);
    let digits = text.replace('_', "");
    if is_float {
        let float: f64 = digits.parse().ok()?;
        return float.is_finite().then_some(Value::Float(float));
    }
    let (sign, digits) = match digits.strip_prefix(['+', '-']) {
        Some(rest) => (&digits[..1], rest),
        None => ("", digits.as_str()),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some(_) if lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let is_plain = digits.chars().all(|digit| digit.is_digit(radix));
    let int = i64::from_str_radix(&format!("{sign}{digits}"), radix).ok();
    int.filter(|_| is_plain).map(Value::Int)
}

/// Reads a string in quotes at the start of `source`.
pub(crate) fn quoted(source: &str) -> LiteralResult {
    let mut text = String::new();
    let mut rest = &source[1..];
    loop {
        match rest.chars().next() {
            Some('"') => break,
            None | Some('\n') => return Err(ParseFault::UnclosedText('"')),
            Some(_) => {
                let (character, length) = one(rest, '"')?;
                text.push(character);
                rest = &rest[length..];
            }
        }
    }
    let length = source.len() - rest.len() + 1;
    Ok((Value::plain(&text), length))
}

/// Reads a string in backquotes at the start of `source`. It has no escapes.
pub(crate) fn raw(source: &str) -> LiteralResult {
    let end = source[1..].find('`').ok_or(ParseFault::UnclosedText('`'))?;
    Ok((Value::plain(&source[1..=end]), end + 2))
}

/// Reads a character in single quotes at the start of `source`. Its value is its code point.
pub(crate) fn character(source: &str) -> LiteralResult {
    let inside = &source[1..];
    if inside.is_empty() || inside.starts_with(['\'', '\n']) {
        return Err(ParseFault::NotACharacter);
    }
    let (character, length) = one(inside, '\'')?;
    if !inside[length..].starts_with('\'') {
        return Err(ParseFault::NotACharacter);
    }
    let number = i64::from(u32::from(character));
    Ok((Value::Int(number), length + 2))
}

/// Reads one character, which may be escaped, between `quotes`.
fn one(source: &str, quotes: char) -> Result<(char, usize), ParseFault> {
    let mut characters = source.chars();
    match characters.next() {
        Some('\\') => {}
        Some(character) => return Ok((character, character.len_utf8())),
        None => return Err(ParseFault::UnclosedText(quotes)),
    }
    let Some(escape) = characters.next() else {
        return Err(ParseFault::UnclosedText(quotes));
    };
    let numbered = |skip: usize, digits: usize, radix: u32, most: u32| {
        let text = source.get(skip..skip + digits);
        let text = text.filter(|text| text.chars().all(|digit| digit.is_digit(radix)));
        let number = text.and_then(|text| u32::from_str_radix(text, radix).ok());
        let character = number
            .filter(|number| *number <= most)
            .and_then(char::from_u32);
        let fault = || ParseFault::Escape(source.chars().skip(1).take(digits + skip - 1).collect());
        Ok((character.ok_or_else(fault)?, skip + digits))
    };
    let character = match escape {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        '\'' | '"' if escape == quotes => escape,
        'x' => return numbered(2, 2, 16, ASCII),
        'u' => return numbered(2, 4, 16, u32::MAX),
        'U' => return numbered(2, 8, 16, u32::MAX),
        '0'..='7' => return numbered(1, 3, 8, ASCII),
        _ => return Err(ParseFault::Escape(escape.to_string())),
    };
    Ok((character, 2))
}
