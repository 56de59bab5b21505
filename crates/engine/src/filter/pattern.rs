//! Patterns of names, as Go's `path.Match` has them: no wildcard goes beyond a slash.

/// `*` is anything without a slash, `?` one character but a slash, `[a-c]` one of these, `[^a-c]` any other one,
/// and `\` takes what is special from what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    One(char),
    AnyOne,
    AnyNumber,
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Reads a pattern; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(next) = rest.next() {
            pieces.push(match next {
                '*' => Piece::AnyNumber,
                '?' => Piece::AnyOne,
                '[' => class(&mut rest)?,
                '\\' => Piece::One(rest.next()?),
                other => Piece::One(other),
            });
        }
        Some(Self(pieces))
    }

    /// Tells whether all of `text` is as described.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut piece) = (0, 0);
        // Behind the last `*`, and how far it has reached. An earlier one need not be tried again: what it
        // could take more, the last one can.
        let mut star: Option<(usize, usize)> = None;
        loop {
            match (self.0.get(piece), text.get(at)) {
                (None, None) => return true,
                (Some(Piece::AnyNumber), _) => {
                    piece += 1;
                    star = Some((piece, at));
                    continue;
                }
                (Some(wanted), Some(found)) if wanted.takes(*found) => {
                    (piece, at) = (piece + 1, at + 1);
                    continue;
                }
                _ => {}
            }
            match star {
                Some((behind, reached)) if text.get(reached).is_some_and(|next| *next != '/') => {
                    (piece, at) = (behind, reached + 1);
                    star = Some((behind, at));
                }
                _ => return false,
            }
        }
    }
}

impl Piece {
    fn takes(&self, found: char) -> bool {
        match self {
            Self::One(wanted) => *wanted == found,
            Self::AnyOne => found != '/',
            Self::AnyNumber => false,
            Self::Class { is_negated, ranges } => {
                let is_in = |(first, last): &(char, char)| (*first..=*last).contains(&found);
                ranges.iter().any(is_in) != *is_negated
            }
        }
    }
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Reads what stands behind a `[`.
fn class(rest: &mut Rest<'_>) -> Option<Piece> {
    let is_negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && rest.next_if_eq(&']').is_some() {
            return Some(Piece::Class { is_negated, ranges });
        }
        let first = end_of_range(rest)?;
        let last = match rest.next_if_eq(&'-') {
            Some(_) => end_of_range(rest)?,
            None => first,
        };
        ranges.push((first, last));
    }
}

fn end_of_range(rest: &mut Rest<'_>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        other => Some(other),
    }
}
