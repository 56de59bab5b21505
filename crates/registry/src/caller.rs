//! Callers: the owners of credentials and tokens.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::access_scope::AccessScope;
use crate::auth_session::AuthSession;
use crate::credential_provider::{CredentialProvider, StaticCredentials};
use crate::endpoint::Endpoint;

/// The owner of the credentials of requests: a command, or a request to an API.
///
/// Cheap to clone; clones share their tokens, so concurrent requests of one caller need one token per
/// repository. Two callers share none (D13): a caller without credentials for an image does not get it
/// because another caller has them. Drop it when the command or API request ends.
#[derive(Clone)]
pub struct Caller(Arc<CallerInner>);

struct CallerInner {
    provider: Arc<dyn CredentialProvider>,
    /// By endpoint, path of the repository and access scope.
    sessions: Mutex<HashMap<(Endpoint, String, AccessScope), Arc<AuthSession>>>,
}

impl Caller {
    /// Returns a caller that authenticates with the credentials of `provider`.
    pub fn new(provider: Arc<dyn CredentialProvider>) -> Self {
        let sessions = Mutex::default();
        Self(Arc::new(CallerInner { provider, sessions }))
    }

    /// Returns a caller without credentials (HT-11).
    pub fn anonymous() -> Self {
        Self::new(Arc::new(StaticCredentials::default()))
    }

    /// Returns whether both are clones of the same caller.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the caller's session for `repository` at `endpoint` with `scope`.
    pub(crate) fn session(
        &self,
        endpoint: &Endpoint,
        repository: &str,
        scope: AccessScope,
    ) -> Arc<AuthSession> {
        let key = (endpoint.clone(), repository.to_owned(), scope);
        let sessions = self.0.sessions.lock();
        let mut sessions = sessions.unwrap_or_else(PoisonError::into_inner);
        let session = sessions
            .entry(key)
            .or_insert_with_key(|(endpoint, repository, scope)| {
                let provider = Arc::clone(&self.0.provider);
                let (endpoint, repository) = (endpoint.clone(), repository.clone());
                Arc::new(AuthSession::new(
                    endpoint,
                    repository,
                    scope.clone(),
                    provider,
                ))
            });
        Arc::clone(session)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("provider", &self.0.provider)
            .finish_non_exhaustive()
    }
}
