//! Verifies a user name and password with a registry.

use http::{HeaderValue, StatusCode};

use crate::access_scope::AccessScope;
use crate::auth_error::AuthError;
use crate::authenticator::Authenticator;
use crate::challenge::Challenge;
use crate::client::Client;
use crate::credentials::{Credentials, Secret};
use crate::endpoint::{Endpoint, EndpointError};
use crate::error::RegistryError;
use crate::failed_response::{FailedResponse, MAX_ERROR_BODY};
use crate::repository::has_v2_header;
use crate::request::EndpointResponse;
use crate::request_context::{RequestContext, RequestKind};
use crate::request_spec::{RequestPeer, RequestSpec};

/// The result of a successful login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// A token to store instead of the password, if the token server issued one
    /// ([`Credentials::IdentityToken`]).
    pub identity_token: Option<Secret>,
}

/// Why a login or a search failed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The endpoints of the registry cannot be determined.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A request to the registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// A login at one endpoint.
struct LoginAttempt<'a> {
    client: &'a Client,
    endpoint: Endpoint,
    context: RequestContext,
}

impl Client {
    /// Verifies `credentials` with `registry` (`host`, `host:port`, `docker.io` for Docker Hub) and the token server that
    /// it names. `Ok` means that they are valid, or that the registry requires
    /// none.
    ///
    /// Uses the endpoints of the registry itself, without mirrors, in the order of a pull. Nothing is stored:
    /// pulls fetch tokens of their own.
    pub async fn log_in(
        &self,
        registry: &str,
        credentials: &Credentials,
    ) -> Result<LoggedIn, AccessError> {
        let endpoints = Endpoint::of_server(registry, self.config())?;
        let attempt = |endpoint: Endpoint| async move {
            let attempt = LoginAttempt {
                client: self,
                context: RequestContext {
                    origin: endpoint.origin().clone(),
                    repository: String::new(),
                    kind: RequestKind::Ping,
                },
                endpoint,
            };
            attempt.run(credentials).await
        };
        Ok(self.try_endpoints(&endpoints, attempt).await?)
    }
}

impl LoginAttempt<'_> {
    async fn run(&self, credentials: &Credentials) -> Result<LoggedIn, RegistryError> {
        let no_token = LoggedIn {
            identity_token: None,
        };
        let response = self.ping(None).await?;
        let challenge = match response.http.status() {
            StatusCode::UNAUTHORIZED => Challenge::choose(response.http.headers()),
            _ => None,
        };
        let Some(challenge) = challenge else {
            self.check_ping_response(response).await?;
            return Ok(no_token);
        };
        if !self.endpoint.may_have_credentials(self.client.config()) {
            return Err(RegistryError::Auth {
                context: self.context.boxed(),
                source: AuthError::PlainHttp,
            });
        }
        let authenticator = Authenticator {
            client: self.client,
            endpoint: &self.endpoint,
            scope: &AccessScope::Pull,
            repository: "",
            credentials,
            offline: true,
        };
        let Some(authorization) = authenticator.authenticate(&challenge).await? else {
            return Ok(no_token);
        };
        self.check_ping_response(self.ping(Some(&authorization.header)).await?)
            .await?;
        Ok(LoggedIn {
            identity_token: authorization.refresh_token,
        })
    }

    async fn ping(
        &self,
        authorization: Option<&HeaderValue>,
    ) -> Result<EndpointResponse, RegistryError> {
        let peer = RequestPeer::Endpoint(&self.endpoint);
        let response_timeout = self.client.config().timeouts.ping;
        let spec = RequestSpec::get(&self.context, peer, self.endpoint.api(""), response_timeout);
        self.client.send(&spec, authorization).await
    }

    /// Checks the response to a ping that needs no further authorization.
    async fn check_ping_response(&self, response: EndpointResponse) -> Result<(), RegistryError> {
        let (status, headers) = (response.http.status(), response.http.headers().clone());
        if status.is_success() && response.same_origin {
            return Ok(());
        }
        let body = self.client.body(response.http);
        let failed = FailedResponse {
            context: &self.context,
            status,
            headers: &headers,
            body: &body.read_prefix(MAX_ERROR_BODY).await,
        };
        let may_not_be_a_registry = !matches!(status.as_u16(), 401 | 403 | 429 | 500..);
        if may_not_be_a_registry && !failed.has_registry_error() && !has_v2_header(&headers) {
            return Err(RegistryError::NotARegistry {
                context: self.context.boxed(),
                reason: format!("/v2/ returns status {}", status.as_u16()),
            });
        }
        Err(failed.into_error())
    }
}
