//! Errors of parsing and rendering.

use super::limits::{MAX_DEPTH, MAX_OUTPUT_BYTES, MAX_STEPS, MAX_TEMPLATE_BYTES, MAX_WIDTH};

/// A template that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {fault}", .at + 1)]
pub struct ParseError {
    /// The offset in bytes, or in characters after [`ParseError::in_characters`].
    pub(crate) at: usize,
    pub(crate) fault: ParseFault,
}

impl ParseError {
    /// Converts the offset from bytes to characters.
    pub(crate) fn in_characters(self, source: &str) -> Self {
        let before = source.get(..self.at).unwrap_or(source);
        Self {
            at: before.chars().count(),
            ..self
        }
    }

    /// Makes the offset relative to a text in which the template follows `before`.
    #[must_use]
    pub fn behind(self, before: &str) -> Self {
        Self {
            at: self.at + before.chars().count(),
            ..self
        }
    }
}

/// What is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseFault {
    #[error("the template exceeds {MAX_TEMPLATE_BYTES} bytes")]
    TooLong,
    #[error("blocks and parentheses are nested deeper than {MAX_DEPTH}")]
    TooDeep,
    #[error("{{{{ without }}}}")]
    UnclosedAction,
    #[error("a comment must end with */}}}}")]
    UnclosedComment,
    #[error("unterminated text: missing {0}")]
    UnclosedText(char),
    #[error("unknown escape: \\{0}")]
    Escape(String),
    #[error("single quotes must contain one character")]
    NotACharacter,
    #[error("invalid number: {0}")]
    Number(String),
    #[error("unexpected {0:?}")]
    Character(char),
    #[error("unexpected {0}")]
    Unexpected(String),
    #[error("missing value")]
    NoValue,
    #[error("( without )")]
    UnclosedParenthesis,
    #[error("{{{{{0}}}}} without {{{{end}}}}")]
    UnclosedBlock(&'static str),
    #[error("{{{{{0}}}}} outside of {{{{range}}}}")]
    OutsideOfRange(&'static str),
    #[error("undefined variable ${0}")]
    UnknownVariable(String),
    #[error("undefined function {name}; available functions: {}", .known.join(", "))]
    UnknownFunction {
        name: String,
        known: Vec<&'static str>,
    },
    #[error("{{{{{0}}}}} is not supported")]
    Unsupported(String),
    #[error("{0} is not a function and takes no arguments")]
    NotAFunction(String),
    #[error("{name} takes {takes}, not {given}")]
    Arguments {
        name: &'static str,
        takes: String,
        given: usize,
    },
    #[error("nil cannot be printed")]
    Nil,
}

/// Why a template cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The template names a field that the struct does not have.
    #[error("no field {name}; available fields: {}", .known.join(", "))]
    UnknownField {
        /// The path to the field, such as `.Config.Foo`.
        name: String,
        /// The names of the fields that the struct has.
        known: Vec<String>,
    },
    /// The template takes a field of a value that is neither a struct nor a map.
    #[error("no field {name}: the value is {kind}")]
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
    #[error("range: cannot iterate over {0}")]
    Range(&'static str),
    /// The rendered text exceeds the limit.
    #[error("the output exceeds {MAX_OUTPUT_BYTES} bytes")]
    TooLong,
    /// Rendering exceeds the limit of actions, calls, loop iterations and processed bytes.
    #[error("rendering exceeds {MAX_STEPS} steps")]
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
    #[error("index {0} is out of range")]
    OutOfRange(i64),
    /// The start of a slice is behind its end.
    #[error("start {0} is greater than end {1}")]
    Backwards(i64, i64),
    /// A number exceeds the limit.
    #[error("{0} is greater than {MAX_WIDTH}")]
    TooMuch(i64),
    /// A number is negative.
    #[error("{0} is negative")]
    Negative(i64),
    /// A text exceeds the limit.
    #[error("the text exceeds {MAX_OUTPUT_BYTES} bytes")]
    TooLong,
    /// Values of these kinds have no order.
    #[error("{0} and {1} cannot be compared")]
    Incomparable(&'static str, &'static str),
}
