//! The error that a text is not a valid credential file.

use std::fmt;

use crate::json_object::NotAnObject;

/// The reason why a text is not a valid credential file. It contains nothing of the text except keys.
#[derive(Debug, thiserror::Error)]
pub enum CredentialParseError {
    /// The text is not JSON.
    #[error("not valid JSON")]
    Json(#[source] serde_json::Error),
    /// A field has the wrong type.
    #[error("{field} is not {expected}")]
    Type {
        /// The path of the field.
        field: String,
        /// The expected type, with an article.
        expected: &'static str,
    },
    /// The `auth` of an entry is not `user:password` in base64.
    #[error("the auth of {key} is not base64 of user:password")]
    Auth {
        /// The key of the entry.
        key: String,
    },
}

impl CredentialParseError {
    pub(crate) fn not_an_object(error: NotAnObject, field: impl fmt::Display) -> Self {
        match error {
            NotAnObject::Json(error) => Self::Json(error),
            NotAnObject::Other => Self::wrong_type(field, "an object"),
        }
    }

    pub(crate) fn wrong_type(field: impl fmt::Display, expected: &'static str) -> Self {
        Self::Type {
            field: field.to_string(),
            expected,
        }
    }
}
