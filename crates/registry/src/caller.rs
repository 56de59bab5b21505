//! On whose behalf registries are asked.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::auth::Session;
use crate::endpoint::Endpoint;
use crate::keyring::{CredentialProvider, StaticCredentials};
use crate::proof::Scope;

/// Someone on whose behalf registries are asked: a command, or a request to an API.
///
/// Cheap to clone; clones share the tokens that were fetched with the keyring, so what one caller asks for at
/// the same time costs one token a repository. Two callers share none (D13): whoever does not have the
/// credentials for an image does not get it because another has. Meant to be dropped when the command or the
/// request is over.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    keyring: Arc<dyn CredentialProvider>,
    /// By endpoint, path of the repository, and what is to be done there.
    sessions: Mutex<HashMap<(Endpoint, String, Scope), Arc<Session>>>,
}

impl Caller {
    /// Returns someone who proves himself with what `keyring` has.
    pub fn new(keyring: Arc<dyn CredentialProvider>) -> Self {
        let sessions = Mutex::default();
        Self(Arc::new(Inner { keyring, sessions }))
    }

    /// Returns someone who has no credentials (HT-11).
    pub fn anonymous() -> Self {
        Self::new(Arc::new(StaticCredentials::default()))
    }

    /// Tells whether both are the same one.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the caller's one session with `repository` at `endpoint` for what `scope` says.
    pub(crate) fn session(
        &self,
        endpoint: &Endpoint,
        repository: &str,
        scope: Scope,
    ) -> Arc<Session> {
        let key = (endpoint.clone(), repository.to_owned(), scope);
        let sessions = self.0.sessions.lock();
        let mut sessions = sessions.unwrap_or_else(PoisonError::into_inner);
        let session = sessions
            .entry(key)
            .or_insert_with_key(|(endpoint, repository, scope)| {
                let keyring = Arc::clone(&self.0.keyring);
                let (endpoint, repository) = (endpoint.clone(), repository.clone());
                Arc::new(Session::new(endpoint, repository, scope.clone(), keyring))
            });
        Arc::clone(session)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("keyring", &self.0.keyring)
            .finish_non_exhaustive()
    }
}
