//! What can be wrong with a template, and what can go wrong with it.

use super::{DEEPEST, LONGEST, MOST_OUTPUT, MOST_STEPS, WIDEST};

/// A template that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {fault}", .at + 1)]
pub struct ParseError {
    /// The bytes before it, or the characters once [`ParseError::in_characters`] has counted them.
    pub(crate) at: usize,
    pub(crate) fault: ParseFault,
}

impl ParseError {
    /// Says where it is as people count.
    pub(crate) fn in_characters(self, source: &str) -> Self {
        let before = source.get(..self.at).unwrap_or(source);
        Self {
            at: before.chars().count(),
            ..self
        }
    }

    /// Says where it is in a text that has `before` before the template.
    #[must_use]
    pub fn behind(self, before: &str) -> Self {
        Self {
            at: self.at + before.chars().count(),
            ..self
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseFault {
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
pub enum EvalError {
    /// The template names a field that the struct does not have.
    #[error("there is no field {name}; there are {}", .known.join(", "))]
    UnknownField {
        /// The path to the field, such as `.Config.Foo`.
        name: String,
        /// The names of the fields that the struct has.
        known: Vec<String>,
    },
    /// The template takes a field of a value that is neither a struct nor a map.
    #[error("there is no field {name}: what should have it is {kind}")]
    NoFields {
        /// The path to the field.
        name: String,
        /// The kind of the value.
        kind: &'static str,
    },
    /// A function does not accept its arguments.
    #[error("{function}: {fault}")]
    Call {
        /// The name of the function.
        function: &'static str,
        /// What is wrong with the arguments.
        fault: CallFault,
    },
    /// The value of a `range` has no elements.
    #[error("range: there are no elements in {0}")]
    Range(&'static str),
    /// The rendered text exceeds the limit.
    #[error("the template makes more than {MOST_OUTPUT} bytes")]
    TooLong,
    /// Rendering exceeds the limit of actions and loop iterations.
    #[error("the template takes more than {MOST_STEPS} steps")]
    TooManySteps,
}

/// Why a function does not accept its arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFault {
    /// An argument has the wrong type.
    #[error("expected {wanted}, not {found}")]
    Kind {
        /// The kind that the function takes.
        wanted: &'static str,
        /// The kind of the argument.
        found: &'static str,
    },
    /// An index is out of range.
    #[error("there is no element {0}")]
    OutOfRange(i64),
    /// The start of a slice is behind its end.
    #[error("{0} is behind {1}")]
    Backwards(i64, i64),
    /// A number exceeds the limit.
    #[error("{0} is more than {WIDEST}")]
    TooMuch(i64),
    /// A number is negative.
    #[error("{0} is less than nothing")]
    Negative(i64),
    /// A text exceeds the limit.
    #[error("the text is longer than {MOST_OUTPUT} bytes")]
    TooLong,
    /// Values of these kinds have no order.
    #[error("{0} and {1} cannot be compared")]
    Incomparable(&'static str, &'static str),
}
