//! The credentials that were configured when a registry was contacted.

use serde::{Deserialize, Serialize};
use windlass_credentials::{CredentialSource, LookupError};

/// Whether credentials for a registry are configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoginState {
    /// A file has an entry, or a credential helper is configured.
    Configured(CredentialSource),
    /// No credentials are configured.
    Missing,
    /// A file with credentials cannot be read.
    Unreadable,
}

/// A registry and the credentials that are configured for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLogin {
    /// The registry's host, with its port if it has one.
    pub registry: String,
    /// The credentials.
    pub login: LoginState,
}

impl From<Result<Option<CredentialSource>, LookupError>> for LoginState {
    /// Converts the result of a lookup that runs no credential helper.
    fn from(source: Result<Option<CredentialSource>, LookupError>) -> Self {
        match source {
            Ok(Some(source)) => Self::Configured(source),
            Ok(None) => Self::Missing,
            Err(_) => Self::Unreadable,
        }
    }
}
