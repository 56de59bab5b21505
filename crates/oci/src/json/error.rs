//! Errors of parsing JSON documents.

use crate::text::Sanitized;

/// The largest nesting depth of objects and arrays. Manifests and configs need five levels.
pub(super) const MAX_DEPTH: usize = 64;

/// Why a JSON document is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not JSON.
    #[error("not JSON: {message}")]
    Syntax {
        /// The parser's message, with line and column.
        message: Sanitized,
    },
    /// An object has the same key twice.
    #[error("{at}: duplicate key")]
    DuplicateKey {
        /// The path of the second occurrence.
        at: Sanitized,
    },
    /// A key differs only in case from a known one, and some readers would treat it as that key.
    #[error("{at}: the key must be spelled {expected:?}")]
    OtherCase {
        /// The path of the key.
        at: Sanitized,
        /// The known key.
        expected: &'static str,
    },
    /// Objects or arrays are nested too deep.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A value is missing, of the wrong type or invalid.
    #[error("{at}: {message}")]
    Value {
        /// The path of the value, or of the object that lacks it.
        at: Sanitized,
        /// What is wrong with it.
        message: Sanitized,
    },
}
