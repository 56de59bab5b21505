//! A token server for the token authentication of `docker-registry`.

mod accounts;
mod builder;
mod signer;
mod token_request;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

pub use accounts::{RepositoryAction, RepositoryGrant};
pub use builder::TokenServerBuilder;

use accounts::{AccountStore, TokenCaller};
use signer::Signer;
use token_request::{ParsedTokenRequest, PresentedCredentials};

use super::local_server::{LocalServer, ServiceBody, full};

/// The path of the token endpoint.
const PATH: &str = "/token";
/// A `docker-registry` accepts tokens for this long after they expire, in case the clocks differ.
const LEEWAY: Duration = Duration::from_secs(60);
/// The limit of a request body, in bytes.
const BODY_LIMIT: usize = 64 << 10;

/// A server in this process that runs until it is dropped, whose tokens a real `docker-registry` accepts.
///
/// It supports the GET form (HTTP Basic or anonymous) and the POST form of `OAuth2` (`password` and
/// `refresh_token`); it issues a refresh token on request (`offline_token=true`, `access_type=offline`). Access
/// tokens are JWTs signed with ES256 for the scopes that were both requested and granted. [`USER`](super::USER)
/// has all permissions.
///
/// ```no_run
/// use windlass_testing::real::{DockerRegistry, RegistryAuth, RepositoryGrant, TokenServer};
///
/// # fn main() -> std::io::Result<()> {
/// # let dir = std::path::Path::new("/nowhere");
/// let tokens = TokenServer::builder()
///     .user("mate", "oar", &[RepositoryGrant::pull("hold/app")])
///     .grant_to_all(RepositoryGrant::pull("deck/app"))
///     .start()?;
/// let registry = DockerRegistry::start(dir, RegistryAuth::Tokens(tokens.authority()))?;
/// // … pull …
/// assert!(tokens.requests().iter().all(|request| request.status == 200));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TokenServer {
    service: LocalServer,
    token_issuer: Arc<TokenIssuer>,
    /// The certificate of the authority of its TLS, PEM.
    root: Option<String>,
}

/// The configuration of a registry for a token server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAuthority {
    /// The URL of the token endpoint.
    pub realm: String,
    /// The name of the registry's service.
    pub service: String,
    /// The name of the token server.
    pub issuer: String,
    /// The certificate of the key that signs tokens, PEM.
    pub certificate: String,
    /// The certificate of the authority of the realm's TLS, PEM.
    pub root: Option<String>,
}

/// A request to the token server, without passwords and tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The method.
    pub method: String,
    /// The service that the token is for.
    pub service: Option<String>,
    /// The requested scopes, one by one.
    pub scopes: Vec<String>,
    /// The `grant_type`; the GET form has none.
    pub grant_type: Option<String>,
    /// Whether a refresh token was requested.
    pub requests_refresh_token: bool,
    /// Whether there was an `Authorization` header.
    pub has_authorization: bool,
    /// The authenticated user.
    pub account: Option<String>,
    /// The status of the response.
    pub status: u16,
}

/// Issues tokens and records requests.
#[derive(Debug)]
struct TokenIssuer {
    signer: Signer,
    service: String,
    issuer: String,
    life: Duration,
    /// The time for which a `docker-registry` accepts its tokens.
    accepted: Duration,
    accepts_post: bool,
    state: Mutex<IssuerState>,
}

#[derive(Debug)]
struct IssuerState {
    accounts: AccountStore,
    requests: Vec<TokenRequest>,
    /// The number of tokens issued so far.
    issued: u64,
}

/// A response of the token endpoint.
struct TokenResponse {
    status: StatusCode,
    body: Value,
}

impl TokenServer {
    /// Starts a server with the user [`USER`](super::USER) only.
    ///
    /// # Errors
    /// If it cannot listen on 127.0.0.1.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Configures a server, for example with other users or TLS.
    pub fn builder() -> TokenServerBuilder {
        TokenServerBuilder::default()
    }

    /// Returns the configuration of a registry that accepts this server's tokens.
    pub fn authority(&self) -> TokenAuthority {
        TokenAuthority {
            realm: format!("{}{PATH}", self.service.url()),
            service: self.token_issuer.service.clone(),
            issuer: self.token_issuer.issuer.clone(),
            certificate: self.token_issuer.signer.certificate.clone(),
            root: self.root.clone(),
        }
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// Returns the requests so far, in order.
    pub fn requests(&self) -> Vec<TokenRequest> {
        self.token_issuer.state().requests.clone()
    }

    /// Issues a refresh token to a user, as for `docker login`.
    pub fn refresh_token(&self, user: &str) -> String {
        self.token_issuer.state().accounts.refresh_token(user)
    }

    /// Issues an access token to a user, for pulls from `repository`.
    pub fn access_token(&self, user: &str, repository: &str) -> String {
        let parsed = ParsedTokenRequest {
            scopes: vec![format!("repository:{repository}:pull")],
            ..ParsedTokenRequest::default()
        };
        let caller = TokenCaller::User(user.to_owned());
        self.token_issuer
            .token(&mut self.token_issuer.state(), &parsed, &caller)
    }

    /// Revokes all refresh tokens.
    pub fn revoke_refresh_tokens(&self) {
        self.token_issuer.state().accounts.revoke_refresh_tokens();
    }
}

impl TokenIssuer {
    fn state(&self) -> MutexGuard<'_, IssuerState> {
        self.state
            .lock()
            .expect("no thread panics with the accounts locked")
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<ServiceBody> {
        let (head, body) = request.into_parts();
        if head.uri.path() != PATH {
            return TokenResponse::error(StatusCode::NOT_FOUND, "no such path").response();
        }
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return TokenResponse::error(StatusCode::BAD_REQUEST, "invalid body").response();
        };
        let body = body.to_bytes();
        let parameters = match head.method {
            Method::POST => &body,
            _ => head.uri.query().unwrap_or_default().as_bytes(),
        };
        self.respond_and_record(&head.method, &head.headers, parameters)
            .response()
    }

    /// Responds to a request and records it.
    fn respond_and_record(
        &self,
        method: &Method,
        headers: &HeaderMap,
        parameters: &[u8],
    ) -> TokenResponse {
        let parsed = ParsedTokenRequest::read(method, headers, parameters);
        let mut state = self.state();
        let caller = state.caller(&parsed.credentials);
        let answer = self.answer(&mut state, method, &parsed, caller.as_ref());
        state.requests.push(TokenRequest {
            method: method.to_string(),
            service: parsed.service,
            scopes: parsed.scopes,
            grant_type: parsed.grant_type,
            requests_refresh_token: parsed.requests_refresh_token,
            has_authorization: headers.contains_key(AUTHORIZATION),
            account: caller.and_then(TokenCaller::user),
            status: answer.status.as_u16(),
        });
        answer
    }

    fn answer(
        &self,
        state: &mut IssuerState,
        method: &Method,
        parsed: &ParsedTokenRequest,
        caller: Option<&TokenCaller>,
    ) -> TokenResponse {
        let is_form = *method == Method::GET || (*method == Method::POST && self.accepts_post);
        if !is_form {
            return TokenResponse::error(StatusCode::METHOD_NOT_ALLOWED, "method not supported");
        }
        let Some(caller) = caller else {
            return TokenResponse::error(StatusCode::UNAUTHORIZED, "wrong credentials");
        };
        if parsed.service.as_ref() != Some(&self.service) {
            return TokenResponse::error(StatusCode::BAD_REQUEST, "no such service");
        }
        let refresh_token = match caller {
            TokenCaller::User(user) if parsed.requests_refresh_token => {
                Some(state.accounts.refresh_token(user))
            }
            TokenCaller::Anonymous | TokenCaller::User(_) => None,
        };
        let token = self.token(state, parsed, caller);
        let mut body = json!({
            "access_token": token,
            "expires_in": self.life.as_secs(),
            "scope": parsed.scopes.join(" "),
        });
        if *method == Method::GET {
            body["token"] = token.into();
        }
        if let Some(refresh_token) = refresh_token {
            body["refresh_token"] = refresh_token.into();
        }
        TokenResponse {
            status: StatusCode::OK,
            body,
        }
    }

    /// Issues an access token with the claims that `docker-registry` requires.
    fn token(
        &self,
        state: &mut IssuerState,
        parsed: &ParsedTokenRequest,
        caller: &TokenCaller,
    ) -> String {
        let access: Vec<_> = parsed
            .scopes
            .iter()
            .filter_map(|scope| state.accounts.granted(caller, scope))
            .collect();
        state.issued += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("the clock is past 1970");
        self.signer.sign(&json!({
            "iss": self.issuer,
            "sub": caller.clone().user().unwrap_or_default(),
            "aud": self.service,
            "iat": now.as_secs(),
            "nbf": now.as_secs(),
            "exp": (now + self.accepted).saturating_sub(LEEWAY).as_secs(),
            "jti": state.issued.to_string(),
            "access": access,
        }))
    }
}

impl IssuerState {
    /// Authenticates a client; `None` if its credentials are wrong.
    fn caller(&self, credentials: &PresentedCredentials) -> Option<TokenCaller> {
        match credentials {
            PresentedCredentials::None => Some(TokenCaller::Anonymous),
            PresentedCredentials::Password { username, password } => self
                .accounts
                .has_password(username, password)
                .then(|| TokenCaller::User(username.clone())),
            PresentedCredentials::RefreshToken(token) => {
                let owner = self.accounts.refresh_token_owner(token)?;
                Some(TokenCaller::User(owner.to_owned()))
            }
            PresentedCredentials::Malformed => None,
        }
    }
}

impl TokenCaller {
    fn user(self) -> Option<String> {
        match self {
            Self::Anonymous => None,
            Self::User(user) => Some(user),
        }
    }
}

impl TokenResponse {
    fn error(status: StatusCode, message: &str) -> Self {
        let code = match status {
            StatusCode::UNAUTHORIZED => "UNAUTHORIZED",
            StatusCode::METHOD_NOT_ALLOWED => "UNSUPPORTED",
            _ => "UNKNOWN",
        };
        let body = json!({ "errors": [{ "code": code, "message": message }] });
        Self { status, body }
    }

    fn response(self) -> Response<ServiceBody> {
        let mut response = Response::new(full(Bytes::from(self.body.to_string())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(CONTENT_TYPE, json);
        if self.status == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static("Basic realm=\"token server\"");
            headers.insert(WWW_AUTHENTICATE, basic);
        }
        response
    }
}
