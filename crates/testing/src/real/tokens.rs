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

/// Where tokens are had.
const PATH: &str = "/token";
/// How much longer than they say a `docker-registry` takes tokens, lest the clocks differ.
const LEEWAY: Duration = Duration::from_secs(60);
/// No request for a token has more to say.
const BODY_LIMIT: usize = 64 << 10;

/// A server in this process, until it is dropped, whose tokens a real `docker-registry` takes.
///
/// It answers the GET form (HTTP Basic or nobody in particular) and the POST form of `OAuth2` (`password`
/// and `refresh_token`); it gives a refresh token where one is asked for (`offline_token=true`,
/// `access_type=offline`). Access tokens are JWTs signed by ES256 for what was both asked for and granted.
/// [`USER`](super::USER) may do everything.
///
/// ```no_run
/// use windlass_testing::real::{RegistryAuth, DockerRegistry, RepositoryGrant, TokenServer};
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
    /// The certificate of the authority behind its TLS, PEM.
    root: Option<String>,
}

/// What a registry must know of a token server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAuthority {
    /// The URL at which tokens are had.
    pub realm: String,
    /// What the registry calls itself.
    pub service: String,
    /// What the token server calls itself.
    pub issuer: String,
    /// The certificate of the key that signs tokens, PEM.
    pub certificate: String,
    /// The certificate of the authority behind the realm's TLS, PEM.
    pub root: Option<String>,
}

/// What was asked of the token server. Passwords and tokens are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The method.
    pub method: String,
    /// The service that the token is for.
    pub service: Option<String>,
    /// The scopes asked for, one by one.
    pub scopes: Vec<String>,
    /// The `grant_type`, which the GET form has not.
    pub grant_type: Option<String>,
    /// Whether a refresh token was asked for.
    pub wants_refresh_token: bool,
    /// Whether there was an `Authorization` header, of whatever kind.
    pub has_authorization: bool,
    /// Who has shown to be who.
    pub account: Option<String>,
    /// The status answered.
    pub status: u16,
}

/// What makes and records the answers.
#[derive(Debug)]
struct TokenIssuer {
    signer: Signer,
    service: String,
    issuer: String,
    life: Duration,
    /// How long a `docker-registry` takes its tokens.
    accepted: Duration,
    takes_post: bool,
    state: Mutex<IssuerState>,
}

#[derive(Debug)]
struct IssuerState {
    accounts: AccountStore,
    requests: Vec<TokenRequest>,
    /// Tokens made so far.
    issued: u64,
}

/// What to answer.
struct TokenResponse {
    status: StatusCode,
    body: Value,
}

impl TokenServer {
    /// Starts a server that knows only [`USER`](super::USER).
    ///
    /// # Errors
    /// When it cannot listen on 127.0.0.1.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Prepares a server with other users, or one that speaks TLS.
    pub fn builder() -> TokenServerBuilder {
        TokenServerBuilder::default()
    }

    /// What a registry must know to take this server's tokens.
    pub fn authority(&self) -> TokenAuthority {
        TokenAuthority {
            realm: format!("{}{PATH}", self.service.url()),
            service: self.token_issuer.service.clone(),
            issuer: self.token_issuer.issuer.clone(),
            certificate: self.token_issuer.signer.certificate.clone(),
            root: self.root.clone(),
        }
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// The requests answered so far, in order.
    pub fn requests(&self) -> Vec<TokenRequest> {
        self.token_issuer.state().requests.clone()
    }

    /// Gives a refresh token, as `docker login` gets one, to a user.
    pub fn refresh_token(&self, user: &str) -> String {
        self.token_issuer.state().accounts.refresh_token(user)
    }

    /// Gives an access token to a user, for pulling from `repository`.
    pub fn access_token(&self, user: &str, repository: &str) -> String {
        let parsed = ParsedTokenRequest {
            scopes: vec![format!("repository:{repository}:pull")],
            ..ParsedTokenRequest::default()
        };
        let caller = TokenCaller::User(user.to_owned());
        self.token_issuer
            .token(&mut self.token_issuer.state(), &parsed, &caller)
    }

    /// Takes no refresh token any more that was given out so far.
    pub fn revoke_refresh_tokens(&self) {
        self.token_issuer.state().accounts.revoke_refresh_tokens();
    }
}

impl TokenIssuer {
    fn state(&self) -> MutexGuard<'_, IssuerState> {
        self.state
            .lock()
            .expect("nobody panics holding the accounts")
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<ServiceBody> {
        let (head, body) = request.into_parts();
        if head.uri.path() != PATH {
            return TokenResponse::error(StatusCode::NOT_FOUND, "no such path").response();
        }
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return TokenResponse::error(StatusCode::BAD_REQUEST, "no such body").response();
        };
        let body = body.to_bytes();
        let parameters = match head.method {
            Method::POST => &body,
            _ => head.uri.query().unwrap_or_default().as_bytes(),
        };
        self.respond_and_record(&head.method, &head.headers, parameters)
            .response()
    }

    /// Makes the answer and records it.
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
            wants_refresh_token: parsed.wants_refresh_token,
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
        let is_form = *method == Method::GET || (*method == Method::POST && self.takes_post);
        if !is_form {
            return TokenResponse::error(StatusCode::METHOD_NOT_ALLOWED, "ask otherwise");
        }
        let Some(caller) = caller else {
            return TokenResponse::error(StatusCode::UNAUTHORIZED, "who is it?");
        };
        if parsed.service.as_ref() != Some(&self.service) {
            return TokenResponse::error(StatusCode::BAD_REQUEST, "no such service");
        }
        let refresh_token = match caller {
            TokenCaller::User(user) if parsed.wants_refresh_token => {
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

    /// Makes an access token of what `docker-registry` wants to know.
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
    /// Who has shown to be who; `None` if nobody is convinced.
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
            PresentedCredentials::Unreadable => None,
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
