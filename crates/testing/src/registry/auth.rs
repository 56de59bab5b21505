//! Authorization: none, by password, or by a token from the token endpoint.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};
use serde_json::json;

use super::response::RegistryResponse;
use crate::Random;

/// The service in the challenge.
pub(super) const SERVICE: &str = "registry.test";

/// The authentication scheme of the registry.
#[derive(Clone, Debug, Default)]
pub(super) enum AuthScheme {
    #[default]
    Open,
    Basic,
    Bearer {
        /// The token endpoint; the registry's own `/token` if not set.
        realm: Option<String>,
    },
}

/// The authorization of a registry: its scheme, its only account, and the tokens it has issued.
///
/// The account's password also serves as its identity token (`grant_type=refresh_token`).
#[derive(Debug)]
pub(super) struct AuthPolicy {
    pub(super) scheme: AuthScheme,
    /// Without an account, tokens are issued to all clients.
    pub(super) account: Option<(String, String)>,
    pub(super) lifetime: Duration,
    tokens: HashMap<String, IssuedToken>,
    random: Random,
}

#[derive(Debug)]
struct IssuedToken {
    scopes: Vec<String>,
    expires: Instant,
}

impl Default for AuthPolicy {
    fn default() -> Self {
        Self {
            scheme: AuthScheme::default(),
            account: None,
            lifetime: Duration::from_secs(60),
            tokens: HashMap::new(),
            random: Random::new(0x70_6f_6b_65_6e),
        }
    }
}

impl AuthPolicy {
    /// Returns an error response for a request without valid authorization; `None` if it is authorized.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        repository: Option<&str>,
        actions: &str,
        own_url: &str,
    ) -> Option<RegistryResponse> {
        let authorization = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
        let scope = repository.map(|name| format!("repository:{name}:{actions}"));
        match &self.scheme {
            AuthScheme::Open => None,
            AuthScheme::Basic if self.has_valid_password(authorization) => None,
            AuthScheme::Basic => Some(unauthorized(&format!("Basic realm=\"{SERVICE}\""))),
            AuthScheme::Bearer { .. } => {
                let error = self.token_error(authorization, scope.as_deref())?;
                Some(self.challenge(scope.as_deref(), error, own_url))
            }
        }
    }

    /// Returns a challenge for a token, with the error of the token that was sent.
    pub(super) fn challenge(
        &self,
        scope: Option<&str>,
        error: &str,
        own_url: &str,
    ) -> RegistryResponse {
        let own = format!("{own_url}/token");
        let realm = match &self.scheme {
            AuthScheme::Bearer { realm: Some(realm) } => realm,
            AuthScheme::Bearer { realm: None } | AuthScheme::Open | AuthScheme::Basic => &own,
        };
        let mut challenge = format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\"");
        for (key, value) in [("scope", scope.unwrap_or_default()), ("error", error)] {
            if !value.is_empty() {
                challenge += &*format!(",{key}=\"{value}\"");
            }
        }
        unauthorized(&challenge)
    }

    /// Responds to a request at the token endpoint: the GET form, or the POST form of `OAuth2`.
    pub(super) fn token(
        &mut self,
        method: &Method,
        query: Option<&str>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> RegistryResponse {
        let body = String::from_utf8_lossy(body).into_owned();
        let form = if *method == Method::POST {
            &body
        } else {
            query.unwrap_or_default()
        };
        let parameters: Vec<_> = form
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key, decoded(value)))
            .collect();
        let get = |key: &str| {
            parameters
                .iter()
                .find(|(k, _)| *k == key)
                .map(|(_, v)| &**v)
        };
        let authorization = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
        let is_authenticated = match *method {
            Method::POST if get("grant_type") == Some("refresh_token") => {
                let secret = self.account.as_ref().map(|(_, secret)| &**secret);
                secret.is_some() && secret == get("refresh_token")
            }
            Method::POST => {
                let account = get("username").zip(get("password"));
                account.is_some_and(|(username, password)| self.is_account(username, password))
            }
            _ => authorization.is_some() && self.has_valid_password(authorization),
        };
        let anonymous = self.account.is_none() && authorization.is_none() && *method == Method::GET;
        if !is_authenticated && !anonymous {
            return unauthorized(&format!("Basic realm=\"{SERVICE}\""));
        }
        if get("service") != Some(SERVICE) {
            let message = "the service is not the one of the challenge";
            return RegistryResponse::error(StatusCode::BAD_REQUEST, "DENIED", message);
        }
        let scopes = parameters.iter().filter(|(key, _)| *key == "scope");
        let scopes = scopes.flat_map(|(_, value)| value.split(' '));
        let token = self.issue(scopes.map(str::to_owned).collect());
        let lifetime = self.lifetime.as_secs();
        let body = json!({ "token": token, "access_token": token, "expires_in": lifetime });
        RegistryResponse::json(StatusCode::OK, &body)
    }

    /// Revokes all tokens.
    pub(super) fn expire_tokens(&mut self) {
        self.tokens.clear();
    }

    fn issue(&mut self, scopes: Vec<String>) -> String {
        let number = self.tokens.len();
        let token = format!("opaque-{number}-{:016x}", self.random.number());
        let expires = Instant::now() + self.lifetime;
        self.tokens
            .insert(token.clone(), IssuedToken { scopes, expires });
        token
    }

    /// Returns the error of a token: empty for a missing token, `None` for a valid one.
    fn token_error(
        &self,
        authorization: Option<&str>,
        scope: Option<&str>,
    ) -> Option<&'static str> {
        let Some(authorization) = authorization else {
            return Some("");
        };
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        let Some(grant) = self.tokens.get(token) else {
            return Some("invalid_token");
        };
        if grant.expires <= Instant::now() {
            return Some("invalid_token");
        }
        let covers = |wanted: &str| grant.scopes.iter().any(|scope| covers(scope, wanted));
        match scope {
            Some(scope) if !covers(scope) => Some("insufficient_scope"),
            _ => None,
        }
    }

    fn has_valid_password(&self, authorization: Option<&str>) -> bool {
        let text = authorization.and_then(basic);
        text.as_deref()
            .and_then(|text| text.split_once(':'))
            .is_some_and(|(username, password)| self.is_account(username, password))
    }

    fn is_account(&self, username: &str, password: &str) -> bool {
        self.account
            .as_ref()
            .is_some_and(|(name, secret)| name == username && secret == password)
    }
}

fn unauthorized(challenge: &str) -> RegistryResponse {
    let message = "authentication required";
    RegistryResponse::error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
        .with(WWW_AUTHENTICATE, challenge)
}

/// Returns the decoded content of a `Basic` authorization: `username:password`.
pub(super) fn basic(authorization: &str) -> Option<String> {
    let encoded = authorization.strip_prefix("Basic ")?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

/// Returns whether a scope grants all actions of another one: `repository:app:pull,push` covers pulling.
fn covers(scope: &str, requested: &str) -> bool {
    let split = |scope: &str| {
        let (resource, actions) = scope.rsplit_once(':').unwrap_or((scope, ""));
        (resource.to_owned(), actions.to_owned())
    };
    let ((resource, actions), (wanted, needed)) = (split(scope), split(requested));
    let is_granted = |action: &str| actions.split(',').any(|granted| granted == action);
    resource == wanted && needed.split(',').all(is_granted)
}

/// Decodes `application/x-www-form-urlencoded`.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = behind
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &behind[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
