//! Finds out whether a registry takes a user's name and password.

use http::{HeaderValue, StatusCode};

use crate::auth::AuthError;
use crate::challenge::Challenge;
use crate::client::Client;
use crate::credentials::{Credentials, Secret};
use crate::endpoint::{Endpoint, EndpointError};
use crate::envelope::{LARGEST_ERROR_BODY, Refusal};
use crate::error::{RegistryError, RequestContext, RequestKind};
use crate::exchange::{Answer, Ask, Party};
use crate::proof::{Prover, Scope};
use crate::repository::speaks_v2;

/// What a registry gave for a name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// To be kept instead of the password, if there is one
    /// ([`Credentials::IdentityToken`](crate::Credentials::IdentityToken)).
    pub identity_token: Option<Secret>,
}

/// Why someone is not logged in.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The registry cannot be asked.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The registry was asked, and something went wrong.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// One endpoint that someone wants to log in to.
struct Login<'a> {
    client: &'a Client,
    endpoint: &'a Endpoint,
    context: RequestContext,
}

impl Client {
    /// Shows `username` and `password` to `registry` (`host`, `host:port`, `docker.io` for Docker Hub), and to
    /// the token server that it names. `Ok` means that they are accepted, or that the registry wants none.
    ///
    /// The registry itself is asked, none of its mirrors, in the order in which a pull would ask it. Nothing
    /// is kept: the tokens of pulls are others.
    pub async fn log_in(
        &self,
        registry: &str,
        username: &str,
        password: &Secret,
    ) -> Result<LoggedIn, AccessError> {
        let credentials = Credentials::Basic {
            username: username.to_owned(),
            password: password.clone(),
        };
        let endpoints = Endpoint::of_server(registry, self.config())?;
        let mut first: Option<RegistryError> = None;
        for (place, endpoint) in endpoints.iter().enumerate() {
            let login = Login {
                client: self,
                endpoint,
                context: RequestContext {
                    origin: endpoint.origin().clone(),
                    repository: String::new(),
                    kind: RequestKind::Ping,
                },
            };
            let outcome = login.run(&credentials).await;
            self.note(endpoint.origin(), &outcome);
            let error = match outcome {
                Ok(logged_in) => return Ok(logged_in),
                Err(error) => error,
            };
            let next = endpoints.get(place + 1);
            let goes_on = next.is_some_and(|next| error.falls_back(endpoint, next));
            let error = first.take().unwrap_or(error);
            if !goes_on {
                return Err(error.into());
            }
            first = Some(error);
        }
        Err(first.expect("every registry has an endpoint").into())
    }
}

impl Login<'_> {
    async fn run(&self, credentials: &Credentials) -> Result<LoggedIn, RegistryError> {
        let nothing = LoggedIn {
            identity_token: None,
        };
        let answer = self.ping(None).await?;
        let challenge = match answer.response.status() {
            StatusCode::UNAUTHORIZED => Challenge::choose(answer.response.headers()),
            _ => None,
        };
        let Some(challenge) = challenge else {
            self.judge(answer).await?;
            return Ok(nothing);
        };
        if !self.endpoint.may_have_credentials(self.client.config()) {
            return Err(RegistryError::Auth {
                context: self.context.boxed(),
                source: AuthError::PlainHttp,
            });
        }
        let prover = Prover {
            client: self.client,
            endpoint: self.endpoint,
            scope: &Scope::Pull,
            repository: "",
            credentials,
            offline: true,
        };
        let Some(proof) = prover.answer(&challenge).await? else {
            return Ok(nothing);
        };
        self.judge(self.ping(Some(&proof.header)).await?).await?;
        Ok(LoggedIn {
            identity_token: proof.refresh,
        })
    }

    async fn ping(&self, authorization: Option<&HeaderValue>) -> Result<Answer, RegistryError> {
        let party = Party::Endpoint(self.endpoint);
        let patience = self.client.config().timeouts.ping;
        let ask = Ask::get(&self.context, party, self.endpoint.api(""), patience);
        self.client.send(&ask, authorization).await
    }

    /// Says what an answer to the ping means that wants no other authorization.
    async fn judge(&self, answer: Answer) -> Result<(), RegistryError> {
        let (status, headers) = (answer.response.status(), answer.response.headers().clone());
        if status.is_success() && answer.at_home {
            return Ok(());
        }
        let body = self.client.body(answer.response);
        let refusal = Refusal {
            context: &self.context,
            status,
            headers: &headers,
            body: &body.read_prefix(LARGEST_ERROR_BODY).await,
        };
        let doubtful = !matches!(status.as_u16(), 401 | 403 | 429 | 500..);
        if doubtful && !refusal.is_of_a_registry() && !speaks_v2(&headers) {
            return Err(RegistryError::NotARegistry {
                context: self.context.boxed(),
                reason: format!("/v2/ answers with status {}", status.as_u16()),
            });
        }
        Err(refusal.into_error())
    }
}
