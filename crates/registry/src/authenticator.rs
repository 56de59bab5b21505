//! Answers authentication challenges, with a token from a token server if required.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use tokio::time::timeout;
use url::Url;
use url::form_urlencoded::Serializer;
use windlass_oci::text;

use crate::access_scope::AccessScope;
use crate::auth_error::AuthError;
use crate::challenge::{BearerChallenge, Challenge};
use crate::client::Client;
use crate::credentials::{Credentials, Secret};
use crate::endpoint::Endpoint;
use crate::error::{RegistryError, WaitPhase};
use crate::failed_response::{FailedResponse, MAX_ERROR_BODY};
use crate::origin::Origin;
use crate::realm;
use crate::request::EndpointResponse;
use crate::request_context::{RequestContext, RequestKind};
use crate::request_spec::{RequestPeer, RequestSpec};
use crate::token::{AccessToken, bearer_header};

/// The maximum size of a token server's response, in bytes.
const MAX_TOKEN_BODY: u64 = 1 << 20;
/// Identifies windlass to a token server (`client_id` of an OAuth 2 request).
const CLIENT_ID: &str = "windlass";

/// Answers the challenges of one endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authenticator<'a> {
    pub(crate) client: &'a Client,
    pub(crate) endpoint: &'a Endpoint,
    /// The path of the repository; empty for none.
    pub(crate) repository: &'a str,
    pub(crate) scope: &'a AccessScope,
    pub(crate) credentials: &'a Credentials,
    /// Whether to request a refresh token, for a login.
    pub(crate) offline: bool,
}

/// An authorization header and its lifetime.
#[derive(Debug)]
pub(crate) struct AuthorizationHeader {
    pub(crate) header: HeaderValue,
    /// `None` if it does not expire.
    pub(crate) lifetime: Option<Duration>,
    /// The refresh token, for further tokens.
    pub(crate) refresh_token: Option<Secret>,
}

/// The form of a token request.
enum TokenRequestMethod {
    /// GET, with the password in a header if there is one.
    Query(Option<HeaderValue>),
    /// POST, with the parameters in the body.
    Form(String),
}

impl Authenticator<'_> {
    /// Returns the header that answers `challenge`, or `None` without suitable credentials.
    pub(crate) async fn authenticate(
        &self,
        challenge: &Challenge,
    ) -> Result<Option<AuthorizationHeader>, RegistryError> {
        let (header, lifetime, refresh_token) = match (challenge, self.credentials) {
            (Challenge::Basic, Credentials::Basic { username, password }) => {
                (self.basic_header(username, password)?, None, None)
            }
            (Challenge::Basic, _) => return Ok(None),
            // HT-10: the token is sent unchanged.
            (Challenge::Bearer(_), Credentials::RegistryToken(token)) => {
                let header = bearer_header(token.expose());
                let header = header.ok_or_else(|| self.refuse(AuthError::RegistryToken))?;
                (header, None, None)
            }
            (Challenge::Bearer(bearer), _) => {
                let token = self.fetch_token(bearer).await?;
                (token.header, Some(token.lifetime), token.refresh_token)
            }
        };
        Ok(Some(AuthorizationHeader {
            header,
            lifetime,
            refresh_token,
        }))
    }

    /// Fetches a token from the token server (HT-8, HT-9).
    async fn fetch_token(&self, challenge: &BearerChallenge) -> Result<AccessToken, RegistryError> {
        let realm = self.realm(challenge)?;
        let origin = Origin::of(&realm);
        let context = self.context(origin.clone());
        // A pull cannot check this before: it does not have the token server's address (T34).
        if let Some(left) = self.client.pause(&origin) {
            return Err(RegistryError::TooManyRequests {
                context: context.boxed(),
                reason: String::new(),
                retry_after: Some(left),
            });
        }
        let limit = self.client.config().timeouts.token;
        let fetch = async {
            let body = self.request_token(&context, &realm, challenge).await?;
            AccessToken::parse(&body).map_err(|error| RegistryError::Auth {
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

    /// Returns the URL of the token server, if it is allowed.
    fn realm(&self, challenge: &BearerChallenge) -> Result<Url, RegistryError> {
        let config = self.client.config();
        realm::check(&challenge.realm, self.endpoint, config).map_err(|source| {
            self.refuse(AuthError::Realm {
                realm: shown(&challenge.realm),
                source,
            })
        })
    }

    async fn request_token(
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
                TokenRequestMethod::Form(self.form(&grant, challenge))
            }
            Credentials::Basic { username, password } => {
                TokenRequestMethod::Query(Some(self.basic_header(username, password)?))
            }
            Credentials::Anonymous | Credentials::RegistryToken(_) => {
                TokenRequestMethod::Query(None)
            }
        };
        let response = self
            .send_token_request(context, realm, challenge, &request)
            .await?;
        let status = response.http.status();
        let is_form = matches!(request, TokenRequestMethod::Form(_));
        let response = match self.credentials {
            // Some servers support only the OAuth 2 request (HT-8).
            Credentials::Basic { username, password }
                if matches!(status.as_u16(), 404 | 405) && !is_form =>
            {
                let grant = [
                    ("grant_type", "password"),
                    ("username", username),
                    ("password", password.expose()),
                ];
                let request = TokenRequestMethod::Form(self.form(&grant, challenge));
                self.send_token_request(context, realm, challenge, &request)
                    .await?
            }
            _ => response,
        };
        if response.http.status().is_success() {
            let body = self.client.body(response.http);
            let body = body.read_to_end(MAX_TOKEN_BODY).await;
            return body.map_err(|error| context.body_failed(error));
        }
        Err(self.response_error(context, response, is_form).await)
    }

    async fn send_token_request(
        &self,
        context: &RequestContext,
        realm: &Url,
        challenge: &BearerChallenge,
        request: &TokenRequestMethod,
    ) -> Result<EndpointResponse, RegistryError> {
        let response_timeout = self.client.config().timeouts.token;
        let peer = RequestPeer::Endpoint(self.endpoint);
        let mut spec = RequestSpec::get(context, peer, realm.clone(), response_timeout);
        match request {
            TokenRequestMethod::Form(form) => {
                spec.method = Method::POST;
                spec.form = Some(form.clone());
                self.client.send(&spec, None).await
            }
            TokenRequestMethod::Query(authorization) => {
                self.query(&mut spec.url, challenge);
                self.client.send(&spec, authorization.as_ref()).await
            }
        }
    }

    fn query(&self, url: &mut Url, challenge: &BearerChallenge) {
        let mut query = url.query_pairs_mut();
        if let Some(service) = &challenge.service {
            query.append_pair("service", service);
        }
        for scope in self.scopes(challenge) {
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
        let scopes = self.scopes(challenge);
        if !scopes.is_empty() {
            // RFC 6749, section 3.3: a form has one field, with spaces as separators.
            fields.append_pair("scope", &scopes.join(" "));
        }
        if self.offline {
            fields.append_pair("access_type", "offline");
        }
        fields.finish()
    }

    fn scopes(&self, challenge: &BearerChallenge) -> Vec<String> {
        (self.scope).for_token(self.repository, self.endpoint, challenge)
    }

    async fn response_error(
        &self,
        context: &RequestContext,
        response: EndpointResponse,
        is_form: bool,
    ) -> RegistryError {
        let status = response.http.status();
        let headers = response.http.headers().clone();
        let body = self.client.body(response.http);
        let body = body.read_prefix(MAX_ERROR_BODY).await;
        // RFC 6749, section 5.2: an invalid refresh token is rejected with 400.
        let status = match status {
            StatusCode::BAD_REQUEST if is_form => StatusCode::UNAUTHORIZED,
            status => status,
        };
        FailedResponse {
            context,
            status,
            headers: &headers,
            body: &body,
        }
        .into_error()
    }

    fn basic_header(
        &self,
        username: &str,
        password: &Secret,
    ) -> Result<HeaderValue, RegistryError> {
        basic_header(username, password).ok_or_else(|| self.refuse(AuthError::Username))
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

/// Returns the header, or `None` for a user name that could not be separated from the password.
fn basic_header(username: &str, password: &Secret) -> Option<HeaderValue> {
    if username.contains(|c: char| c == ':' || c.is_control()) {
        return None;
    }
    let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
    let mut header =
        HeaderValue::from_str(&format!("Basic {pair}")).expect("base64 is valid in a header");
    header.set_sensitive(true);
    Some(header)
}

/// Returns a realm for an error message, without user information, path and query, which may be secrets.
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

    /// I7: only the origin of a realm is shown.
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
        let header = basic_header("Aladdin", &Secret::new("open sesame")).unwrap();
        assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    /// RFC 7617, section 2: the user name ends at the first colon.
    #[test]
    fn a_user_name_has_no_colon_and_no_control_character() {
        for username in ["a:b", "a\nb", "\u{7f}", "\u{85}"] {
            assert_eq!(
                basic_header(username, &Secret::new("x")),
                None,
                "{username:?}"
            );
        }
        assert!(basic_header("", &Secret::new("x")).is_some());
    }
}
