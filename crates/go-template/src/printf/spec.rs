//! The text between a percent sign and its verb.

use crate::limits::MAX_WIDTH;

/// A formatting directive.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a flag each")]
pub(crate) struct FormatDirective {
    pub(crate) is_left: bool,
    pub(crate) has_sign: bool,
    pub(crate) has_space: bool,
    pub(crate) is_alternate: bool,
    pub(crate) has_zeros: bool,
    pub(crate) width: Option<DirectiveCount>,
    pub(crate) precision: Option<DirectiveCount>,
    /// The explicit argument index, counted from 1; 0 for an invalid one.
    pub(crate) index: Option<usize>,
    pub(crate) verb: Option<char>,
}

/// A width or precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DirectiveCount {
    Is(usize),
    /// `*`: the next argument.
    FromValue,
}

impl FormatDirective {
    /// Reads a directive at the start of `text`. Returns its length in bytes, too.
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
            spec.precision = Some(count(&mut rest).unwrap_or(DirectiveCount::Is(0)));
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
            Some(DirectiveCount::Is(width)) => width,
            Some(DirectiveCount::FromValue) | None => 0,
        }
    }

    pub(crate) fn precision(&self) -> Option<usize> {
        match self.precision {
            Some(DirectiveCount::Is(precision)) => Some(precision),
            Some(DirectiveCount::FromValue) | None => None,
        }
    }
}

fn count(rest: &mut &str) -> Option<DirectiveCount> {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        return Some(DirectiveCount::FromValue);
    }
    let end = rest.find(|c: char| !c.is_ascii_digit());
    let (digits, after) = rest.split_at(end.unwrap_or(rest.len()));
    if digits.is_empty() {
        return None;
    }
    *rest = after;
    let number = digits.parse::<usize>().unwrap_or(MAX_WIDTH);
    Some(DirectiveCount::Is(number.min(MAX_WIDTH)))
}
