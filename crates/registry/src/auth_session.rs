//! The authorization of a session, and its renewal.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::access_scope::AccessScope;
use crate::auth_error::AuthError;
use crate::authenticator::Authenticator;
use crate::challenge::Challenge;
use crate::client::Client;
use crate::credential_provider::{CredentialError, CredentialProvider, CredentialScope};
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::RegistryError;
use crate::request_context::{RequestContext, RequestKind};

/// The authorization of one caller for one repository at one endpoint.
pub(crate) struct AuthSession {
    endpoint: Endpoint,
    /// The repository's path.
    repository: String,
    scope: AccessScope,
    provider: Arc<dyn CredentialProvider>,
    /// Locked while credentials are looked up and a token is fetched, so that concurrent requests share the
    /// result.
    state: Mutex<SessionState>,
}

/// The authorization that a request was sent with.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestAuthorization {
    header: Option<HeaderValue>,
    /// Distinguishes a rejection of this authorization from one of an earlier authorization.
    generation: u64,
}

#[derive(Default)]
struct SessionState {
    authorization: RequestAuthorization,
    /// When to fetch a new token without waiting for a rejection.
    renew_at: Option<Instant>,
    challenge: Option<Challenge>,
    /// The result of the lookup, once it was done.
    credentials: Option<Result<Credentials, CredentialError>>,
}

impl AuthSession {
    pub(crate) fn new(
        endpoint: Endpoint,
        repository: String,
        scope: AccessScope,
        provider: Arc<dyn CredentialProvider>,
    ) -> Self {
        let state = Mutex::default();
        Self {
            endpoint,
            repository,
            scope,
            provider,
            state,
        }
    }

    /// Returns the authorization for a request: the current token, renewed if it has expired; empty until the
    /// registry sends a challenge.
    pub(crate) async fn authorization(
        &self,
        client: &Client,
    ) -> Result<RequestAuthorization, RegistryError> {
        let mut state = self.state.lock().await;
        let fresh = state
            .renew_at
            .is_none_or(|renew_at| Instant::now() < renew_at);
        if state.authorization.header.is_some() && fresh {
            return Ok(state.authorization.clone());
        }
        if state.challenge.is_none() {
            state.challenge = client.cached_challenge(&self.endpoint);
        }
        if let Some(challenge) = state.challenge.clone() {
            self.authenticate(client, &mut state, &challenge).await?;
        }
        Ok(state.authorization.clone())
    }

    /// Returns a new authorization after `rejected` was rejected with 401 and `challenge`, or `None` if there
    /// is none.
    ///
    /// If several requests were rejected with the same authorization, one of them fetches the next (T35).
    pub(crate) async fn renew(
        &self,
        client: &Client,
        rejected: &RequestAuthorization,
        challenge: &Challenge,
    ) -> Result<Option<RequestAuthorization>, RegistryError> {
        client.cache_challenge(&self.endpoint, challenge);
        let mut state = self.state.lock().await;
        if state.authorization.generation != rejected.generation {
            return Ok(Some(state.authorization.clone()));
        }
        state.challenge = Some(challenge.clone());
        let authenticated = self.authenticate(client, &mut state, challenge).await?;
        let other = authenticated && state.authorization.header != rejected.header;
        Ok(other.then(|| state.authorization.clone()))
    }

    /// Answers `challenge` and stores the authorization in `state`; returns whether there is one.
    async fn authenticate(
        &self,
        client: &Client,
        state: &mut SessionState,
        challenge: &Challenge,
    ) -> Result<bool, RegistryError> {
        let credentials = self.credentials(client, state, challenge).await?;
        let authenticator = Authenticator {
            client,
            endpoint: &self.endpoint,
            repository: &self.repository,
            scope: &self.scope,
            credentials: &credentials,
            offline: false,
        };
        let Some(authorization) = authenticator.authenticate(challenge).await? else {
            return Ok(false);
        };
        // Renew when a tenth of the lifetime is left, by the monotonic clock of this machine.
        state.renew_at = authorization
            .lifetime
            .map(|lifetime| Instant::now() + lifetime - lifetime / 10);
        state.authorization = RequestAuthorization {
            header: Some(authorization.header),
            generation: state.authorization.generation + 1,
        };
        Ok(true)
    }

    /// Returns the caller's credentials for the endpoint. They are looked up once, whatever the result.
    async fn credentials(
        &self,
        client: &Client,
        state: &mut SessionState,
        challenge: &Challenge,
    ) -> Result<Credentials, RegistryError> {
        let refuse = |source| RegistryError::Auth {
            context: Box::new(self.context()),
            source,
        };
        if !self.endpoint.may_have_credentials(client.config()) {
            return match challenge {
                Challenge::Basic => Err(refuse(AuthError::PlainHttp)),
                Challenge::Bearer(_) => Ok(Credentials::Anonymous),
            };
        }
        if state.credentials.is_none() {
            let scope = CredentialScope {
                host: self.endpoint.settings().credential_host.clone(),
                repository: self.repository.clone(),
            };
            state.credentials = Some(self.provider.credentials(&scope).await);
        }
        match &state.credentials {
            Some(Ok(credentials)) => Ok(credentials.clone()),
            Some(Err(error)) => Err(refuse(AuthError::Credentials(error.clone()))),
            None => Ok(Credentials::Anonymous),
        }
    }

    fn context(&self) -> RequestContext {
        RequestContext {
            origin: self.endpoint.origin().clone(),
            repository: self.repository.clone(),
            kind: RequestKind::Token,
        }
    }
}

impl fmt::Debug for AuthSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthSession")
            .field("endpoint", &self.endpoint)
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}

impl RequestAuthorization {
    /// Returns the `Authorization` header, if there is one.
    pub(crate) fn header(&self) -> Option<&HeaderValue> {
        self.header.as_ref()
    }
}
