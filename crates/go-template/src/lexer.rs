//! Lexing.

use super::error::{ParseError, ParseFault};
use super::limits::MAX_TEMPLATE_BYTES;
use super::literal;
use super::value::Value;

/// Whether `\t` and `\n` in the text around the actions are escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// They are a tab and a line break, as in Docker's lists.
    Interpreted,
    /// They are not interpreted, as in `docker inspect`.
    Verbatim,
}

/// A token and its position.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LexerToken {
    pub(crate) kind: TokenKind,
    /// The offset in bytes.
    pub(crate) at: usize,
    /// Whether no space separates it from the previous token.
    pub(crate) is_joined: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// The text between actions.
    Text(String),
    Open,
    Close,
    Dot,
    /// The name of a field, without its dot.
    Field(String),
    /// The name of a variable, without its dollar.
    Variable(String),
    /// A keyword or function.
    Word(String),
    Literal(Value),
    LeftParenthesis,
    RightParenthesis,
    Pipe,
    Comma,
    Declare,
    Assign,
}

/// Splits `source` into tokens.
pub(crate) fn tokens(source: &str, escapes: Escapes) -> Result<Vec<LexerToken>, ParseError> {
    if source.len() > MAX_TEMPLATE_BYTES {
        let fault = ParseFault::TooLong;
        return Err(ParseError { at: 0, fault });
    }
    let mut lexer = Lexer {
        source,
        rest: source,
        tokens: Vec::new(),
    };
    lexer.run(escapes)?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a str,
    rest: &'a str,
    tokens: Vec<LexerToken>,
}

impl Lexer<'_> {
    fn run(&mut self, escapes: Escapes) -> Result<(), ParseError> {
        let mut trims = false;
        loop {
            let (text, action) = match self.rest.split_once("{{") {
                Some((text, action)) => (text, Some(action)),
                None => (self.rest, None),
            };
            let trims_before = action.is_some_and(|action| {
                action
                    .strip_prefix('-')
                    .is_some_and(|rest| rest.starts_with(is_space))
            });
            let mut shown = text;
            if trims {
                shown = shown.trim_start_matches(is_space);
            }
            if trims_before {
                shown = shown.trim_end_matches(is_space);
            }
            if !shown.is_empty() {
                let shown = match escapes {
                    Escapes::Interpreted => shown.replace("\\t", "\t").replace("\\n", "\n"),
                    Escapes::Verbatim => shown.to_owned(),
                };
                self.push(TokenKind::Text(shown), 0);
            }
            let Some(action) = action else {
                return Ok(());
            };
            self.rest = &self.rest[text.len()..];
            trims = match comment(&action[usize::from(trims_before)..], trims_before) {
                Some(comment) => {
                    let Some((rest, trims)) = comment else {
                        return Err(self.fault(ParseFault::UnclosedComment));
                    };
                    self.rest = &self.rest[self.rest.len() - rest.len()..];
                    trims
                }
                None => {
                    let unclosed = self.fault(ParseFault::UnclosedAction);
                    self.push(TokenKind::Open, 2 + usize::from(trims_before));
                    self.action(unclosed)?
                }
            };
        }
    }

    /// Reads the tokens of an action to its end. Returns whether the space that follows is trimmed.
    fn action(&mut self, unclosed: ParseError) -> Result<bool, ParseError> {
        loop {
            let spaces = self.rest.len() - self.rest.trim_start_matches(is_space).len();
            self.rest = &self.rest[spaces..];
            for (end, trims) in [("}}", false), ("-}}", true)] {
                if self.rest.starts_with(end) && (!trims || spaces > 0) {
                    self.push(TokenKind::Close, end.len());
                    return Ok(trims);
                }
            }
            let Some(first) = self.rest.chars().next() else {
                return Err(unclosed);
            };
            let (kind, length) = self.token(first)?;
            self.push(kind, length);
            if let Some(token) = self.tokens.last_mut() {
                token.is_joined = spaces == 0;
            }
        }
    }

    fn token(&self, first: char) -> Result<(TokenKind, usize), ParseError> {
        let second = self.rest[first.len_utf8()..].chars().next();
        let is_number = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let token = match first {
            '(' => (TokenKind::LeftParenthesis, 1),
            ')' => (TokenKind::RightParenthesis, 1),
            '|' => (TokenKind::Pipe, 1),
            ',' => (TokenKind::Comma, 1),
            '=' => (TokenKind::Assign, 1),
            ':' if second == Some('=') => (TokenKind::Declare, 2),
            '$' => {
                let name = word(&self.rest[1..]);
                (TokenKind::Variable(name.to_owned()), 1 + name.len())
            }
            '.' if second.is_some_and(is_word) && !is_number(second) => {
                let name = word(&self.rest[1..]);
                (TokenKind::Field(name.to_owned()), 1 + name.len())
            }
            '0'..='9' => self.literal(literal::number)?,
            '+' | '-' | '.' if is_number(second) => self.literal(literal::number)?,
            '.' => (TokenKind::Dot, 1),
            '"' => self.literal(literal::quoted)?,
            '`' => self.literal(literal::raw)?,
            '\'' => self.literal(literal::character)?,
            _ if is_word(first) => {
                let name = word(self.rest);
                (TokenKind::Word(name.to_owned()), name.len())
            }
            _ => return Err(self.fault(ParseFault::Character(first))),
        };
        Ok(token)
    }

    fn literal(
        &self,
        read: impl Fn(&str) -> Result<(Value, usize), ParseFault>,
    ) -> Result<(TokenKind, usize), ParseError> {
        let (value, length) = read(self.rest).map_err(|fault| self.fault(fault))?;
        Ok((TokenKind::Literal(value), length))
    }

    fn push(&mut self, kind: TokenKind, length: usize) {
        self.tokens.push(LexerToken {
            kind,
            at: self.position(),
            is_joined: false,
        });
        self.rest = &self.rest[length..];
    }

    fn fault(&self, fault: ParseFault) -> ParseError {
        let at = self.position();
        ParseError { at, fault }
    }

    fn position(&self) -> usize {
        self.source.len() - self.rest.len()
    }
}

/// Reads a comment. Returns the text that follows and whether its space is trimmed, or `Some(None)` if the comment is
/// unterminated.
#[expect(
    clippy::option_option,
    reason = "no comment, an unterminated one, a complete one"
)]
fn comment(action: &str, trims_before: bool) -> Option<Option<(&str, bool)>> {
    let action = match trims_before {
        true => action.trim_start_matches(is_space),
        false => action,
    };
    let text = action.strip_prefix("/*")?;
    let Some((_, rest)) = text.split_once("*/") else {
        return Some(None);
    };
    if let Some(rest) = rest.strip_prefix("}}") {
        return Some(Some((rest, false)));
    }
    let trimmed = rest.trim_start_matches(is_space);
    let is_apart = trimmed.len() < rest.len();
    let end = trimmed.strip_prefix("-}}").filter(|_| is_apart);
    Some(end.map(|rest| (rest, true)))
}

fn word(text: &str) -> &str {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    &text[..end]
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}
