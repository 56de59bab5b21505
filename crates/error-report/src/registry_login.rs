//! The credentials that were configured when a registry was contacted.

use serde::{Deserialize, Serialize};
use windlass::image::Reference;
use windlass::registry::CredentialScope;
use windlass_credentials::{CredentialSource, CredentialStore};

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

impl LoginState {
    /// Returns whether `credentials` has credentials for the repository of `reference`. Runs no credential helper.
    pub fn find(credentials: &CredentialStore, reference: &Reference) -> Self {
        let repository = reference.repository();
        let scope = CredentialScope {
            host: repository.registry().to_owned(),
            repository: repository.path().to_owned(),
        };
        match credentials.source_of(&scope) {
            Ok(Some(source)) => Self::Configured(source),
            Ok(None) => Self::Missing,
            Err(_) => Self::Unreadable,
        }
    }
}
