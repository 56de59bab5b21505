//! A session's authorization: what to send, and how to come by a new token when it is refused.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use url::Url;
use url::form_urlencoded::Serializer;
use windlass_oci::text;

use crate::challenge::{BearerChallenge, Challenge};
use crate::client::{Ask, Client};
use crate::credentials::{Credentials, Secret};
use crate::endpoint::Endpoint;
use crate::envelope::{LARGEST_ERROR_BODY, Refusal};
use crate::error::{Asked, Phase, RegistryError, What};
use crate::realm::{self, RealmRefusal};
use crate::token::{Token, TokenError, bearer};

/// The most that is read of a token server's answer.
const LARGEST_TOKEN_BODY: u64 = 1 << 20;
/// Names windlass to a token server (`client_id` of an OAuth 2 request).
const CLIENT_ID: &str = "windlass";

/// Why authentication did not get as far as being refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The registry names a token server that is not asked.
    #[error("its token server {realm} is not asked")]
    Realm {
        /// The token server, without path and query.
        realm: String,
        /// Why it is not asked.
        source: RealmRefusal,
    },
    /// The token server's answer is of no use.
    #[error("the token server's answer is of no use")]
    Token(#[from] TokenError),
    /// The registry token of the configuration has characters that no header may carry.
    #[error("the configured registry token is not one that a header can carry")]
    RegistryToken,
}

/// The authorization of one session with one repository.
pub(crate) struct Session {
    client: Client,
    endpoint: Endpoint,
    /// The repository's path.
    repository: String,
    credentials: Credentials,
    /// Held while a token is fetched, so that all who need one wait for the same.
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
}

impl Session {
    pub(crate) fn new(
        client: Client,
        endpoint: Endpoint,
        repository: String,
        credentials: Credentials,
    ) -> Self {
        let state = Mutex::default();
        Self {
            client,
            endpoint,
            repository,
            credentials,
            state,
        }
    }

    /// Returns what to send a request with: the current token, renewed if its life is over; nothing, as long
    /// as the registry has not been heard to want something.
    pub(crate) async fn pass(&self) -> Result<Pass, RegistryError> {
        let mut state = self.state.lock().await;
        let fresh = state
            .renew_at
            .is_none_or(|renew_at| Instant::now() < renew_at);
        if state.pass.header.is_some() && fresh {
            return Ok(state.pass.clone());
        }
        if state.challenge.is_none() {
            state.challenge = self.client.learned(&self.endpoint);
        }
        if let Some(challenge) = state.challenge.clone() {
            self.answer(&mut state, &challenge).await?;
        }
        Ok(state.pass.clone())
    }

    /// Returns another pass after `refused` was answered with 401 and `challenge`; none if there is nothing
    /// else to try.
    ///
    /// However many requests were refused with the same pass, one of them fetches the next (T35).
    pub(crate) async fn renew(
        &self,
        refused: &Pass,
        challenge: &Challenge,
    ) -> Result<Option<Pass>, RegistryError> {
        self.client.learn(&self.endpoint, challenge);
        let mut state = self.state.lock().await;
        if state.pass.generation != refused.generation {
            return Ok(Some(state.pass.clone()));
        }
        state.challenge = Some(challenge.clone());
        let answered = self.answer(&mut state, challenge).await?;
        let other = answered && state.pass.header != refused.header;
        Ok(other.then(|| state.pass.clone()))
    }

    /// Puts the answer to `challenge` into `state`; tells whether there is one.
    async fn answer(
        &self,
        state: &mut State,
        challenge: &Challenge,
    ) -> Result<bool, RegistryError> {
        let (header, life) = match (challenge, &self.credentials) {
            (Challenge::Basic, Credentials::Basic { username, password }) => {
                (basic(username, password), None)
            }
            (Challenge::Basic, _) => return Ok(false),
            (Challenge::Bearer(_), Credentials::RegistryToken(token)) => {
                (self.registry_token(token)?, None)
            }
            (Challenge::Bearer(bearer), _) => {
                let token = self.fetch_token(bearer).await?;
                (token.header, Some(token.life))
            }
        };
        // A tenth of its life before its end, by this machine's monotonic clock.
        state.renew_at = life.map(|life| Instant::now() + life - life / 10);
        state.pass = Pass {
            header: Some(header),
            generation: state.pass.generation + 1,
        };
        Ok(true)
    }

    /// HT-10: as it is.
    fn registry_token(&self, token: &Secret) -> Result<HeaderValue, RegistryError> {
        bearer(token.expose()).ok_or_else(|| RegistryError::Auth {
            asked: Box::new(self.asked(&self.endpoint)),
            source: AuthError::RegistryToken,
        })
    }

    /// HT-8, HT-9.
    async fn fetch_token(&self, challenge: &BearerChallenge) -> Result<Token, RegistryError> {
        let realm = self.realm(challenge)?;
        let asked = self.asked(&Endpoint::serving(&realm));
        let limit = self.client.config().timeouts.token;
        let fetch = async {
            let body = self.ask_for_token(&asked, realm, challenge, limit).await?;
            Token::parse(&body).map_err(|error| RegistryError::Auth {
                asked: asked.boxed(),
                source: error.into(),
            })
        };
        let waiting_for = Phase::Answer;
        timeout(limit, fetch).await.unwrap_or_else(|_| {
            Err(RegistryError::Timeout {
                asked: asked.boxed(),
                waiting_for,
            })
        })
    }

    /// Returns the token server, if it may be asked.
    fn realm(&self, challenge: &BearerChallenge) -> Result<Url, RegistryError> {
        let config = self.client.config();
        let realm = realm::check(&challenge.realm, &self.endpoint, config).map_err(|source| {
            RegistryError::Auth {
                asked: Box::new(self.asked(&self.endpoint)),
                source: AuthError::Realm {
                    realm: shown(&challenge.realm),
                    source,
                },
            }
        })?;
        if realm.host() != self.endpoint.url().host()
            && let Some(host) = realm.host_str()
        {
            self.client.guard(host);
        }
        Ok(realm)
    }

    async fn ask_for_token(
        &self,
        asked: &Asked,
        mut realm: Url,
        challenge: &BearerChallenge,
        patience: Duration,
    ) -> Result<bytes::Bytes, RegistryError> {
        let scope = format!("repository:{}:pull", self.repository);
        let (mut form, mut authorization) = (None, None);
        if let Credentials::IdentityToken(token) = &self.credentials {
            let mut fields = Serializer::new(String::new());
            fields.append_pair("grant_type", "refresh_token");
            fields.append_pair("refresh_token", token.expose());
            fields.append_pair("client_id", CLIENT_ID);
            fields.append_pair("service", challenge.service.as_deref().unwrap_or_default());
            fields.append_pair("scope", &scope);
            form = Some(fields.finish());
        } else {
            let mut query = realm.query_pairs_mut();
            if let Some(service) = &challenge.service {
                query.append_pair("service", service);
            }
            query.append_pair("scope", &scope);
            if let Credentials::Basic { username, password } = &self.credentials {
                if !username.is_empty() && !password.expose().is_empty() {
                    query.append_pair("account", username);
                }
                authorization = Some(basic(username, password));
            }
        }
        let is_form = form.is_some();
        let ask = Ask {
            asked,
            url: realm,
            accept: None,
            start: 0,
            form,
            patience,
        };
        let answer = self.client.send(&ask, authorization.as_ref()).await?;
        let status = answer.response.status();
        if status.is_success() {
            return self
                .client
                .body(answer.response)
                .whole(asked, LARGEST_TOKEN_BODY)
                .await;
        }
        let headers = answer.response.headers().clone();
        let body = self
            .client
            .body(answer.response)
            .beginning(LARGEST_ERROR_BODY)
            .await;
        // RFC 6749, section 5.2: a refresh token that is not accepted is answered with 400.
        let status = match status {
            StatusCode::BAD_REQUEST if is_form => StatusCode::UNAUTHORIZED,
            status => status,
        };
        Err(Refusal {
            asked,
            status,
            headers: &headers,
            body: &body,
        }
        .into_error())
    }

    fn asked(&self, endpoint: &Endpoint) -> Asked {
        Asked {
            endpoint: endpoint.clone(),
            repository: self.repository.clone(),
            what: What::Token,
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("endpoint", &self.endpoint)
            .field("repository", &self.repository)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

impl Pass {
    /// Returns the `Authorization` header, if there is to be one.
    pub(crate) fn header(&self) -> Option<&HeaderValue> {
        self.header.as_ref()
    }
}

fn basic(username: &str, password: &Secret) -> HeaderValue {
    let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
    let mut header =
        HeaderValue::from_str(&format!("Basic {pair}")).expect("base64 is fit for a header");
    header.set_sensitive(true);
    header
}

/// A realm as it may be shown: what stands before an `@` or behind the host can be a secret.
fn shown(realm: &str) -> String {
    match Url::parse(realm) {
        Ok(url) if url.has_host() => Endpoint::serving(&url).to_string(),
        _ => {
            let behind = realm.rsplit('@').next().unwrap_or_default();
            let end = behind.find(['?', '#']).unwrap_or(behind.len());
            format!("{:?}", text::shown(&behind[..end]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I7: what a realm carries beside its host is not shown.
    #[test]
    fn a_realm_is_shown_without_its_secrets() {
        assert_eq!(
            shown("https://me:hunter2@auth.test:444/token?key=hunter2"),
            "https://auth.test:444"
        );
        assert_eq!(shown("nonsense?hunter2"), r#""nonsense""#);
        assert_eq!(shown("me:hunter2@x"), r#""x""#);
    }

    #[test]
    fn basic_is_marked_as_sensitive() {
        let header = basic("Aladdin", &Secret::new("open sesame"));
        assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }
}
