//! The errors of invalid instructions.

use std::fmt;

use windlass_oci::text::Sanitized;

/// An invalid instruction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid change {instruction:?}: {problem}")]
pub struct ChangeError {
    /// The instruction, as specified.
    pub instruction: Sanitized,
    /// The problem.
    pub problem: ChangeProblem,
}

/// The problem of an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeProblem {
    /// It is not supported here.
    Unknown {
        /// Its first word.
        word: Sanitized,
    },
    /// It has no arguments.
    NoArguments {
        /// The instruction's name.
        name: &'static str,
    },
    /// An argument is invalid.
    Expected {
        /// The expected form.
        what: &'static str,
        /// The argument.
        found: Sanitized,
    },
    /// A quote or a `${` has no end.
    Unclosed {
        /// The opening characters.
        mark: &'static str,
    },
}

/// The supported instructions.
const SUPPORTED: &str = "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR";

impl fmt::Display for ChangeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { word } => write!(f, "{word} is not supported, only {SUPPORTED}"),
            Self::NoArguments { name } => write!(f, "{name} needs arguments"),
            Self::Expected { what, found } => write!(f, "expected {what}, not {found:?}"),
            Self::Unclosed { mark } => write!(f, "a {mark} has no end"),
        }
    }
}
