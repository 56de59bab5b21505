//! Where credentials come from: the caller's business, asked only when a registry wants some.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::credentials::Credentials;

/// Knows who the user is to registries.
///
/// It is asked at most once for a repository at an endpoint, and not at all by registries that let
/// everybody in: looking credentials up may run a program, or ask a person.
pub trait CredentialProvider: fmt::Debug + Send + Sync {
    /// Returns what the user proves himself with, [`Credentials::Anonymous`] if there is nothing.
    ///
    /// An error is not the same as nothing: the pull fails and says why (D9).
    fn credentials<'a>(
        &'a self,
        door: &'a CredentialScope,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + 'a>>;
}

/// What credentials are wanted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CredentialScope {
    /// `host` or `host:port` of the endpoint, `docker.io` for Docker Hub. A mirror is its own host, not the
    /// registry that it stands in for (D12).
    pub host: String,
    /// The repository's path, such as `library/alpine`; empty for none in particular.
    pub repository: String,
}

/// Why credentials could not be looked up. Holds no secret.
#[derive(Clone, Debug)]
pub struct CredentialError(Arc<dyn std::error::Error + Send + Sync>);

/// Credentials for one host, known beforehand. All others are met as nobody.
#[derive(Clone, Debug, Default)]
pub struct StaticCredentials {
    /// As in [`CredentialScope::host`].
    pub host: String,
    /// What the user proves himself with there.
    pub credentials: Credentials,
}

impl CredentialProvider for StaticCredentials {
    fn credentials<'a>(
        &'a self,
        door: &'a CredentialScope,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + 'a>> {
        let credentials = if door.host == self.host {
            self.credentials.clone()
        } else {
            Credentials::Anonymous
        };
        Box::pin(async { Ok(credentials) })
    }
}

impl CredentialError {
    /// Wraps what went wrong.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for CredentialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
