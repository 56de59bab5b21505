//! What stands between a percent sign and the end of its verb.

use crate::WIDEST;

/// A directive.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a flag each")]
pub(crate) struct Spec {
    pub(crate) is_left: bool,
    pub(crate) has_sign: bool,
    pub(crate) has_space: bool,
    pub(crate) is_alternate: bool,
    pub(crate) has_zeros: bool,
    pub(crate) width: Option<Count>,
    pub(crate) precision: Option<Count>,
    /// The value that it asks for, counted from 1, if it asks; 0 if it asks for none that there can be.
    pub(crate) index: Option<usize>,
    pub(crate) verb: Option<char>,
}

/// A width or precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Is(usize),
    /// `*`: the next value is it.
    FromValue,
}

impl Spec {
    /// Reads a directive at the start of `text`, and returns how many bytes it has.
    pub(crate) fn read(text: &str) -> (Self, usize) {
        let mut spec = Self::default();
        let mut rest = text;
        loop {
            match rest.chars().next() {
                Some('-') => spec.is_left = true,
                Some('+') => spec.has_sign = true,
                Some(' ') => spec.has_space = true,
                Some('#') => spec.is_alternate = true,
                Some('0') => spec.has_zeros = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        spec.read_index(&mut rest);
        spec.width = count(&mut rest);
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            spec.read_index(&mut rest);
            spec.precision = Some(count(&mut rest).unwrap_or(Count::Is(0)));
        }
        spec.read_index(&mut rest);
        spec.verb = rest.chars().next();
        let length = text.len() - rest.len() + spec.verb.map_or(0, char::len_utf8);
        (spec, length)
    }

    fn read_index(&mut self, rest: &mut &str) {
        let Some(inside) = rest.strip_prefix('[') else {
            return;
        };
        let (number, after) = inside.split_once(']').unwrap_or((inside, ""));
        self.index = Some(number.parse().unwrap_or(0));
        *rest = after;
    }

    pub(crate) fn width(&self) -> usize {
        match self.width {
            Some(Count::Is(width)) => width,
            Some(Count::FromValue) | None => 0,
        }
    }

    pub(crate) fn precision(&self) -> Option<usize> {
        match self.precision {
            Some(Count::Is(precision)) => Some(precision),
            Some(Count::FromValue) | None => None,
        }
    }
}

fn count(rest: &mut &str) -> Option<Count> {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        return Some(Count::FromValue);
    }
    let end = rest.find(|c: char| !c.is_ascii_digit());
    let (digits, after) = rest.split_at(end.unwrap_or(rest.len()));
    if digits.is_empty() {
        return None;
    }
    *rest = after;
    let number = digits.parse::<usize>().unwrap_or(WIDEST);
    Some(Count::Is(number.min(WIDEST)))
}
