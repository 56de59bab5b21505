//! What can be wrong with a template, and what can go wrong with it.

use super::{DEEPEST, LONGEST, MOST_OUTPUT, MOST_STEPS, WIDEST};

/// A template that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {fault}", .at + 1)]
pub(crate) struct ParseError {
    /// The bytes before it, or the characters once [`ParseError::in_characters`] has counted them.
    pub(super) at: usize,
    pub(super) fault: ParseFault,
}

impl ParseError {
    /// Says where it is as people count.
    pub(super) fn in_characters(self, source: &str) -> Self {
        let before = source.get(..self.at).unwrap_or(source);
        Self {
            at: before.chars().count(),
            ..self
        }
    }

    /// Says where it is in a text that has `before` before the template.
    pub(crate) fn behind(self, before: &str) -> Self {
        Self {
            at: self.at + before.chars().count(),
            ..self
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseFault {
    #[error("the template is longer than {LONGEST} bytes")]
    TooLong,
    #[error("more than {DEEPEST} blocks and parentheses are within each other")]
    TooDeep,
    #[error("{{{{ without }}}}")]
    UnclosedAction,
    #[error("a comment has to end with */}}}}")]
    UnclosedComment,
    #[error("the text has no closing {0}")]
    UnclosedText(char),
    #[error("no such escape: \\{0}")]
    Escape(String),
    #[error("a character in single quotes has to be one character")]
    NotACharacter,
    #[error("no number that can be used: {0}")]
    Number(String),
    #[error("unexpected {0:?}")]
    Character(char),
    #[error("unexpected {0}")]
    Unexpected(String),
    #[error("nothing stands where a value should")]
    NoValue,
    #[error("( without )")]
    UnclosedParenthesis,
    #[error("{{{{{0}}}}} without {{{{end}}}}")]
    UnclosedBlock(&'static str),
    #[error("{{{{{0}}}}} outside of {{{{range}}}}")]
    OutsideOfRange(&'static str),
    #[error("there is no variable ${0}")]
    UnknownVariable(String),
    #[error("there is no function {name}; there are {}", .known.join(", "))]
    UnknownFunction {
        name: String,
        known: Vec<&'static str>,
    },
    #[error("{{{{{0}}}}} is not supported")]
    Unsupported(String),
    #[error("{0} is no function, and takes no arguments")]
    NotAFunction(String),
    #[error("{name} takes {takes}, not {given}")]
    Arguments {
        name: &'static str,
        takes: String,
        given: usize,
    },
    #[error("nil is not a value that can be printed")]
    Nil,
}

/// Why a template cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvalError {
    /// A field that there is not.
    #[error("there is no field {name}; there are {}", .known.join(", "))]
    UnknownField {
        /// With what leads to it, such as `.Config.Foo`.
        name: String,
        known: Vec<String>,
    },
    /// A field of something that has none.
    #[error("there is no field {name}: what should have it is {kind}")]
    NoFields { name: String, kind: &'static str },
    /// A function that cannot do with what it was given.
    #[error("{function}: {fault}")]
    Call {
        function: &'static str,
        fault: CallFault,
    },
    /// A range over something that has no elements.
    #[error("range: there are no elements in {0}")]
    Range(&'static str),
    #[error("the template makes more than {MOST_OUTPUT} bytes")]
    TooLong,
    #[error("the template takes more than {MOST_STEPS} steps")]
    TooManySteps,
}

/// What a function cannot do with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallFault {
    #[error("expected {wanted}, not {found}")]
    Kind {
        wanted: &'static str,
        found: &'static str,
    },
    #[error("there is no element {0}")]
    OutOfRange(i64),
    #[error("{0} is behind {1}")]
    Backwards(i64, i64),
    #[error("{0} is more than {WIDEST}")]
    TooMuch(i64),
    #[error("{0} is less than nothing")]
    Negative(i64),
    #[error("the text is longer than {MOST_OUTPUT} bytes")]
    TooLong,
    #[error("{0} and {1} cannot be compared")]
    Incomparable(&'static str, &'static str),
}
