//! Patterns of names, with the syntax of Go's `path.Match`: wildcards do not match slashes.

/// `*` matches any text without a slash, `?` one character other than a slash, `[a-c]` one of these characters, `[^a-c]`
/// any other one, and `\` removes the special meaning of the next character.
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
    /// Parses a pattern; returns `None` if it is invalid.
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

    /// Returns whether the whole `text` matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut piece) = (0, 0);
        // The position after the last `*`, and the end of the text that it matches so far. Earlier ones need not be
        // extended: the last one can match the same text.
        let mut star: Option<(usize, usize)> = None;
        loop {
            let is_match = match (self.0.get(piece), text.get(at)) {
                (None, None) => return true,
                (Some(Piece::AnyNumber), Some(_) | None) => {
                    piece += 1;
                    star = Some((piece, at));
                    continue;
                }
                (Some(piece), Some(character)) => piece.matches(*character),
                (Some(_), None) | (None, Some(_)) => false,
            };
            if is_match {
                (piece, at) = (piece + 1, at + 1);
                continue;
            }
            let Some((behind, reached)) = star else {
                return false;
            };
            if text.get(reached).is_none_or(|next| *next == '/') {
                return false;
            }
            (piece, at) = (behind, reached + 1);
            star = Some((behind, at));
        }
    }
}

impl Piece {
    /// Returns whether this piece matches exactly this one character.
    fn matches(&self, character: char) -> bool {
        match self {
            Self::One(expected) => *expected == character,
            Self::AnyOne => character != '/',
            Self::AnyNumber => false,
            Self::Class { is_negated, ranges } => {
                let is_in = |(first, last): &(char, char)| (*first..=*last).contains(&character);
                ranges.iter().any(is_in) != *is_negated
            }
        }
    }
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Parses the characters after a `[`.
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
