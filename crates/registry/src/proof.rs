//! Answers a challenge: with a header that proves who is asking, fetched from a token server if need be.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use tokio::time::timeout;
use url::Url;
use url::form_urlencoded::Serializer;
use windlass_oci::text;

use crate::auth::AuthError;
use crate::challenge::{BearerChallenge, Challenge};
use crate::client::Client;
use crate::credentials::{Credentials, Secret};
use crate::endpoint::Endpoint;
use crate::envelope::{LARGEST_ERROR_BODY, Refusal};
use crate::error::{RegistryError, RequestContext, RequestKind, WaitPhase};
use crate::exchange::{Answer, Ask, Party};
use crate::origin::Origin;
use crate::realm;
use crate::token::{Token, bearer};

/// The most that is read of a token server's answer.
const LARGEST_TOKEN_BODY: u64 = 1 << 20;
/// Names windlass to a token server (`client_id` of an OAuth 2 request).
const CLIENT_ID: &str = "windlass";

/// Answers challenges of one endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prover<'a> {
    pub(crate) client: &'a Client,
    pub(crate) endpoint: &'a Endpoint,
    /// The path of the repository that is to be pulled from; empty for none.
    pub(crate) repository: &'a str,
    pub(crate) scope: &'a Scope,
    pub(crate) credentials: &'a Credentials,
    /// Whether a refresh token is wanted, too: for a login.
    pub(crate) offline: bool,
}

/// What a session is to be allowed to do with its repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// Read.
    #[default]
    Pull,
    /// Read and write, and read the repositories with these paths, to take blobs over from them.
    Push(Vec<String>),
}

/// What to send, and for how long.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) header: HeaderValue,
    /// `None` where it does not end by itself.
    pub(crate) life: Option<Duration>,
    /// What further tokens can be had with.
    pub(crate) refresh: Option<Secret>,
}

/// How a token is asked for.
enum Request {
    /// GET, with the password in the header if there is one.
    Query(Option<HeaderValue>),
    /// POST.
    Form(String),
}

impl Prover<'_> {
    /// Returns the answer to `challenge`, if there is one.
    pub(crate) async fn answer(
        &self,
        challenge: &Challenge,
    ) -> Result<Option<Proof>, RegistryError> {
        let (header, life, refresh) = match (challenge, self.credentials) {
            (Challenge::Basic, Credentials::Basic { username, password }) => {
                (self.basic(username, password)?, None, None)
            }
            (Challenge::Basic, _) => return Ok(None),
            // HT-10: as it is.
            (Challenge::Bearer(_), Credentials::RegistryToken(token)) => {
                let header = bearer(token.expose());
                let header = header.ok_or_else(|| self.refuse(AuthError::RegistryToken))?;
                (header, None, None)
            }
            (Challenge::Bearer(bearer), _) => {
                let token = self.fetch_token(bearer).await?;
                (token.header, Some(token.life), token.refresh)
            }
        };
        Ok(Some(Proof {
            header,
            life,
            refresh,
        }))
    }

    /// HT-8, HT-9.
    async fn fetch_token(&self, challenge: &BearerChallenge) -> Result<Token, RegistryError> {
        let realm = self.realm(challenge)?;
        let origin = Origin::of(&realm);
        let context = self.context(origin.clone());
        // No pull can know that it is about to ask a server that wants to be left alone (T34).
        if let Some(left) = self.client.pause(&origin) {
            return Err(RegistryError::TooManyRequests {
                context: context.boxed(),
                retry_after: Some(left),
            });
        }
        let limit = self.client.config().timeouts.token;
        let fetch = async {
            let body = self.ask_for_token(&context, &realm, challenge).await?;
            Token::parse(&body).map_err(|error| RegistryError::Auth {
                context: context.boxed(),
                source: error.into(),
            })
        };
        let waiting_for = WaitPhase::Response;
        timeout(limit, fetch).await.unwrap_or_else(|_| {
            Err(RegistryError::Timeout {
                context: context.boxed(),
                waiting_for,
            })
        })
    }

    /// Returns the token server, if it may be asked.
    fn realm(&self, challenge: &BearerChallenge) -> Result<Url, RegistryError> {
        let config = self.client.config();
        realm::check(&challenge.realm, self.endpoint, config).map_err(|source| {
            self.refuse(AuthError::Realm {
                realm: shown(&challenge.realm),
                source,
            })
        })
    }

    async fn ask_for_token(
        &self,
        context: &RequestContext,
        realm: &Url,
        challenge: &BearerChallenge,
    ) -> Result<Bytes, RegistryError> {
        let request = match self.credentials {
            Credentials::IdentityToken(token) => {
                let grant = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", token.expose()),
                ];
                Request::Form(self.form(&grant, challenge))
            }
            Credentials::Basic { username, password } => {
                Request::Query(Some(self.basic(username, password)?))
            }
            Credentials::Anonymous | Credentials::RegistryToken(_) => Request::Query(None),
        };
        let answer = self.ask(context, realm, challenge, &request).await?;
        let status = answer.response.status();
        let is_form = matches!(request, Request::Form(_));
        let answer = match self.credentials {
            // Some servers know only OAuth 2's way of asking (HT-8).
            Credentials::Basic { username, password }
                if matches!(status.as_u16(), 404 | 405) && !is_form =>
            {
                let grant = [
                    ("grant_type", "password"),
                    ("username", username),
                    ("password", password.expose()),
                ];
                let request = Request::Form(self.form(&grant, challenge));
                self.ask(context, realm, challenge, &request).await?
            }
            _ => answer,
        };
        if answer.response.status().is_success() {
            let body = self.client.body(answer.response);
            let body = body.read_to_end(LARGEST_TOKEN_BODY).await;
            return body.map_err(|error| context.body_failed(error));
        }
        Err(self.refused(context, answer, is_form).await)
    }

    async fn ask(
        &self,
        context: &RequestContext,
        realm: &Url,
        challenge: &BearerChallenge,
        request: &Request,
    ) -> Result<Answer, RegistryError> {
        let patience = self.client.config().timeouts.token;
        let party = Party::Endpoint(self.endpoint);
        let mut ask = Ask::get(context, party, realm.clone(), patience);
        match request {
            Request::Form(form) => {
                ask.method = Method::POST;
                ask.form = Some(form.clone());
                self.client.send(&ask, None).await
            }
            Request::Query(authorization) => {
                self.query(&mut ask.url, challenge);
                self.client.send(&ask, authorization.as_ref()).await
            }
        }
    }

    fn query(&self, url: &mut Url, challenge: &BearerChallenge) {
        let mut query = url.query_pairs_mut();
        if let Some(service) = &challenge.service {
            query.append_pair("service", service);
        }
        for scope in self.scopes() {
            query.append_pair("scope", &scope);
        }
        if self.offline {
            query.append_pair("offline_token", "true");
            query.append_pair("client_id", CLIENT_ID);
        }
        if let Credentials::Basic { username, password } = self.credentials
            && !username.is_empty()
            && !password.expose().is_empty()
        {
            query.append_pair("account", username);
        }
    }

    fn form(&self, grant: &[(&str, &str)], challenge: &BearerChallenge) -> String {
        let mut fields = Serializer::new(String::new());
        fields.extend_pairs(grant);
        fields.append_pair("client_id", CLIENT_ID);
        fields.append_pair("service", challenge.service.as_deref().unwrap_or_default());
        let scopes = self.scopes();
        if !scopes.is_empty() {
            // RFC 6749, section 3.3: in a form there is one field, with spaces.
            fields.append_pair("scope", &scopes.join(" "));
        }
        if self.offline {
            fields.append_pair("access_type", "offline");
        }
        fields.finish()
    }

    fn scopes(&self) -> Vec<String> {
        let path = self.repository;
        match self.scope {
            _ if path.is_empty() => Vec::new(),
            Scope::Pull => vec![format!("repository:{path}:pull")],
            Scope::Push(from) => {
                let from = from.iter().map(|path| format!("repository:{path}:pull"));
                let own = format!("repository:{path}:pull,push");
                std::iter::once(own).chain(from).collect()
            }
        }
    }

    async fn refused(
        &self,
        context: &RequestContext,
        answer: Answer,
        is_form: bool,
    ) -> RegistryError {
        let status = answer.response.status();
        let headers = answer.response.headers().clone();
        let body = self.client.body(answer.response);
        let body = body.read_prefix(LARGEST_ERROR_BODY).await;
        // RFC 6749, section 5.2: a refresh token that is not accepted is answered with 400.
        let status = match status {
            StatusCode::BAD_REQUEST if is_form => StatusCode::UNAUTHORIZED,
            status => status,
        };
        Refusal {
            context,
            status,
            headers: &headers,
            body: &body,
        }
        .into_error()
    }

    fn basic(&self, username: &str, password: &Secret) -> Result<HeaderValue, RegistryError> {
        basic(username, password).ok_or_else(|| self.refuse(AuthError::Username))
    }

    fn refuse(&self, source: AuthError) -> RegistryError {
        let context = self.context(self.endpoint.origin().clone());
        RegistryError::Auth {
            context: Box::new(context),
            source,
        }
    }

    fn context(&self, origin: Origin) -> RequestContext {
        RequestContext {
            origin,
            repository: self.repository.to_owned(),
            kind: RequestKind::Token,
        }
    }
}

/// Returns the header for a user name that can be told from the password behind it.
fn basic(username: &str, password: &Secret) -> Option<HeaderValue> {
    if username.contains(|c: char| c == ':' || c.is_control()) {
        return None;
    }
    let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
    let mut header =
        HeaderValue::from_str(&format!("Basic {pair}")).expect("base64 is fit for a header");
    header.set_sensitive(true);
    Some(header)
}

/// A realm as it may be shown: what stands before an `@` or behind the host can be a secret.
fn shown(realm: &str) -> String {
    match Url::parse(realm) {
        Ok(url) if url.has_host() => Origin::of(&url).to_string(),
        _ => {
            let behind = realm.rsplit('@').next().unwrap_or_default();
            let end = behind.find(['?', '#']).unwrap_or(behind.len());
            format!("{:?}", text::sanitize(&behind[..end]))
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
        let header = basic("Aladdin", &Secret::new("open sesame")).unwrap();
        assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    /// RFC 7617, section 2: what stands before the first colon is the name.
    #[test]
    fn a_user_name_has_no_colon_and_no_control_character() {
        for username in ["a:b", "a\nb", "\u{7f}", "\u{85}"] {
            assert_eq!(basic(username, &Secret::new("x")), None, "{username:?}");
        }
        assert!(basic("", &Secret::new("x")).is_some());
    }
}
