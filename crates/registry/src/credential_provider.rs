//! The source of credentials, supplied by the caller of this crate.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::credentials::Credentials;

/// Looks up credentials for registries.
///
/// Called at most once for a repository at an endpoint, and not at all for registries without authentication:
/// a lookup may run a program or prompt the user.
pub trait CredentialProvider: fmt::Debug + Send + Sync {
    /// Returns the credentials for `scope`, or [`Credentials::Anonymous`] if there are none.
    ///
    /// An error differs from the absence of credentials: the operation fails and reports it (D9).
    fn credentials<'a>(
        &'a self,
        scope: &'a CredentialScope,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + 'a>>;
}

/// The host and repository that credentials are for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CredentialScope {
    /// `host` or `host:port` of the endpoint, `docker.io` for Docker Hub. A mirror has its own host, not that
    /// of the registry it mirrors (D12).
    pub host: String,
    /// The repository's path, such as `library/alpine`; empty if the credentials are not for a repository.
    pub repository: String,
}

/// Why credentials could not be looked up. Contains no secret.
#[derive(Clone, Debug)]
pub struct CredentialError(Arc<dyn std::error::Error + Send + Sync>);

/// Fixed credentials for one host. Other hosts are accessed anonymously.
#[derive(Clone, Debug, Default)]
pub struct StaticCredentials {
    /// As in [`CredentialScope::host`].
    pub host: String,
    /// The credentials for it.
    pub credentials: Credentials,
}

impl CredentialProvider for StaticCredentials {
    fn credentials<'a>(
        &'a self,
        scope: &'a CredentialScope,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + 'a>> {
        let credentials = if scope.host == self.host {
            self.credentials.clone()
        } else {
            Credentials::Anonymous
        };
        Box::pin(async { Ok(credentials) })
    }
}

impl CredentialError {
    /// Wraps the error.
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
