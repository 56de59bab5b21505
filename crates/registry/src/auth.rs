//! A session's authorization: what to send, and how to come by a new token when it is refused.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::challenge::Challenge;
use crate::client::Client;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::{RegistryError, RequestContext, RequestKind};
use crate::keyring::{CredentialError, CredentialProvider, CredentialScope};
use crate::proof::{Prover, Scope};
use crate::realm::RealmError;
use crate::token::TokenError;

/// Why authentication did not get as far as being refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The registry names a token server that is not asked.
    #[error("its token server {realm} is not asked")]
    Realm {
        /// The token server, without path and query.
        realm: String,
        /// Why it is not asked.
        source: RealmError,
    },
    /// The token server's answer is of no use.
    #[error("the token server's answer is of no use")]
    Token(#[from] TokenError),
    /// The registry token of the configuration has characters that no header may carry.
    #[error("the configured registry token is not one that a header can carry")]
    RegistryToken,
    /// The user name has a colon or a control character in it (RFC 7617, section 2).
    #[error("the user name has a colon or a control character in it")]
    Username,
    /// The credentials could not be looked up (D9).
    #[error("the credentials cannot be looked up")]
    Credentials(#[source] CredentialError),
    /// Credentials are wanted where they would have to be sent in the clear.
    #[error(
        "credentials are not sent over plain http, except to this machine and hosts listed as insecure"
    )]
    PlainHttp,
}

/// The authorization of one caller with one repository at one endpoint.
pub(crate) struct Session {
    endpoint: Endpoint,
    /// The repository's path.
    repository: String,
    scope: Scope,
    keyring: Arc<dyn CredentialProvider>,
    /// Held while credentials are looked up and a token is fetched, so that all who need one wait for the
    /// same.
    state: Mutex<State>,
}

/// What a request was sent with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pass {
    header: Option<HeaderValue>,
    /// Tells a refusal of this pass from one of its predecessors.
    generation: u64,
}

#[derive(Default)]
struct State {
    pass: Pass,
    /// When to fetch a new token without being told to.
    renew_at: Option<Instant>,
    challenge: Option<Challenge>,
    /// What the keyring had, once it was asked.
    credentials: Option<Result<Credentials, CredentialError>>,
}

impl Session {
    pub(crate) fn new(
        endpoint: Endpoint,
        repository: String,
        scope: Scope,
        keyring: Arc<dyn CredentialProvider>,
    ) -> Self {
        let state = Mutex::default();
        Self {
            endpoint,
            repository,
            scope,
            keyring,
            state,
        }
    }

    /// Returns what to send a request with: the current token, renewed if its life is over; nothing, as long
    /// as the registry has not been heard to want something.
    pub(crate) async fn pass(&self, client: &Client) -> Result<Pass, RegistryError> {
        let mut state = self.state.lock().await;
        let fresh = state
            .renew_at
            .is_none_or(|renew_at| Instant::now() < renew_at);
        if state.pass.header.is_some() && fresh {
            return Ok(state.pass.clone());
        }
        if state.challenge.is_none() {
            state.challenge = client.learned(&self.endpoint);
        }
        if let Some(challenge) = state.challenge.clone() {
            self.answer(client, &mut state, &challenge).await?;
        }
        Ok(state.pass.clone())
    }

    /// Returns another pass after `refused` was answered with 401 and `challenge`; none if there is nothing
    /// else to try.
    ///
    /// However many requests were refused with the same pass, one of them fetches the next (T35).
    pub(crate) async fn renew(
        &self,
        client: &Client,
        refused: &Pass,
        challenge: &Challenge,
    ) -> Result<Option<Pass>, RegistryError> {
        client.learn(&self.endpoint, challenge);
        let mut state = self.state.lock().await;
        if state.pass.generation != refused.generation {
            return Ok(Some(state.pass.clone()));
        }
        state.challenge = Some(challenge.clone());
        let answered = self.answer(client, &mut state, challenge).await?;
        let other = answered && state.pass.header != refused.header;
        Ok(other.then(|| state.pass.clone()))
    }

    /// Puts the answer to `challenge` into `state`; tells whether there is one.
    async fn answer(
        &self,
        client: &Client,
        state: &mut State,
        challenge: &Challenge,
    ) -> Result<bool, RegistryError> {
        let credentials = self.credentials(client, state, challenge).await?;
        let prover = Prover {
            client,
            endpoint: &self.endpoint,
            repository: &self.repository,
            scope: &self.scope,
            credentials: &credentials,
            offline: false,
        };
        let Some(proof) = prover.answer(challenge).await? else {
            return Ok(false);
        };
        // A tenth of its life before its end, by this machine's monotonic clock.
        state.renew_at = proof.life.map(|life| Instant::now() + life - life / 10);
        state.pass = Pass {
            header: Some(proof.header),
            generation: state.pass.generation + 1,
        };
        Ok(true)
    }

    /// Returns who the caller is to the endpoint. The keyring is asked once, whatever it says.
    async fn credentials(
        &self,
        client: &Client,
        state: &mut State,
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
            let door = CredentialScope {
                host: self.endpoint.way().key.clone(),
                repository: self.repository.clone(),
            };
            state.credentials = Some(self.keyring.credentials(&door).await);
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

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("endpoint", &self.endpoint)
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}

impl Pass {
    /// Returns the `Authorization` header, if there is to be one.
    pub(crate) fn header(&self) -> Option<&HeaderValue> {
        self.header.as_ref()
    }
}
