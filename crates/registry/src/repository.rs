//! A session with one repository at one endpoint.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;
use windlass_http::StreamingBody;
use windlass_oci::RepositoryName;

use crate::auth::Session;
use crate::challenge::Challenge;
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::envelope::{LARGEST_ERROR_BODY, Refusal};
use crate::error::{RegistryError, RequestContext, RequestKind};
use crate::exchange::{Answer, Ask, Party, Span};
use crate::origin::Origin;

/// A session with one repository at one endpoint: asks, authenticates as it is asked to, and checks what
/// comes. Cheap to clone; clones share the session.
#[derive(Clone, Debug)]
pub struct Repository(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    endpoint: Endpoint,
    name: RepositoryName,
    session: Arc<Session>,
}

impl Repository {
    pub(crate) fn new(
        client: Client,
        endpoint: Endpoint,
        name: RepositoryName,
        session: Arc<Session>,
    ) -> Self {
        Self(Arc::new(Inner {
            client,
            endpoint,
            name,
            session,
        }))
    }

    /// Returns whom this repository is asked of.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Returns the name of the repository.
    pub fn name(&self) -> &RepositoryName {
        &self.0.name
    }

    pub(crate) fn path(&self) -> &str {
        self.0.name.path()
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    /// Returns how errors name a request for `kind`.
    pub fn context(&self, kind: RequestKind) -> RequestContext {
        RequestContext {
            origin: self.0.endpoint.origin().clone(),
            repository: self.path().to_owned(),
            kind,
        }
    }

    /// Asks for `path` below `/v2/`; returns the answer if it is a success.
    ///
    /// One for a range may also be answered with 206 and 416.
    pub(crate) async fn get(
        &self,
        context: &RequestContext,
        path: &str,
        accept: Option<&HeaderValue>,
        span: Span,
    ) -> Result<Answer, RegistryError> {
        self.get_url(context, self.0.endpoint.api(path), accept, span)
            .await
    }

    /// Asks for `url`, which must be on the endpoint, as [`Self::get`] does.
    pub(crate) async fn get_url(
        &self,
        context: &RequestContext,
        url: Url,
        accept: Option<&HeaderValue>,
        span: Span,
    ) -> Result<Answer, RegistryError> {
        let mut ask = self.ask(context, url);
        ask.accept = accept;
        ask.span = span;
        let answer = self.authorized(&ask).await?;
        match answer.response.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if span.is_range() => {
                Ok(answer)
            }
            _ => Err(self.refused(context, answer).await),
        }
    }

    /// Asks for the headers of `path` below the API alone; returns the answer, whatever its status.
    pub(crate) async fn head_of(
        &self,
        context: &RequestContext,
        path: &str,
        accept: Option<&HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let mut ask = self.ask(context, self.0.endpoint.api(path));
        ask.method = Method::HEAD;
        ask.accept = accept;
        self.authorized(&ask).await
    }

    pub(crate) fn ask<'a>(&'a self, context: &'a RequestContext, url: Url) -> Ask<'a> {
        let endpoint = &self.0.endpoint;
        let patience = self.0.client.config().timeouts.response;
        let url = endpoint.with_namespace(url);
        Ask::get(context, Party::Endpoint(endpoint), url, patience)
    }

    /// Has it remembered what `answer` says about the endpoint's health.
    pub(crate) fn noted<T>(&self, answer: Result<T, RegistryError>) -> Result<T, RegistryError> {
        self.0.client.note(self.0.endpoint.origin(), &answer);
        answer
    }

    /// Makes the request, and once more with a new authorization if it is refused for want of one (HT-12).
    pub(crate) async fn authorized(&self, ask: &Ask<'_>) -> Result<Answer, RegistryError> {
        let pass = self.0.session.pass(&self.0.client).await?;
        let answer = self.0.client.send(ask, pass.header()).await?;
        // What a storage elsewhere wants is not for it to ask (T26).
        if answer.response.status() != StatusCode::UNAUTHORIZED || !answer.at_home {
            return Ok(answer);
        }
        let Some(challenge) = Challenge::choose(answer.response.headers()) else {
            return Ok(answer);
        };
        match (self.0.session)
            .renew(&self.0.client, &pass, &challenge)
            .await?
        {
            Some(pass) => self.0.client.send(ask, pass.header()).await,
            None => Ok(answer),
        }
    }

    /// Makes the request with a body that comes piece by piece, which can only be done once. `None` if it was refused
    /// for want of an authorization, and there is a new one now: the next attempt has it.
    pub(crate) async fn send_stream(
        &self,
        ask: &Ask<'_>,
        body: (StreamingBody, Option<HeaderValue>),
    ) -> Result<Option<Answer>, RegistryError> {
        let pass = self.0.session.pass(&self.0.client).await?;
        let answer = self.0.client.send_stream(ask, pass.header(), body).await?;
        if answer.response.status() == StatusCode::UNAUTHORIZED
            && let Some(challenge) = Challenge::choose(answer.response.headers())
        {
            let client = &self.0.client;
            let renewed = self.0.session.renew(client, &pass, &challenge).await?;
            if renewed.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(answer))
    }

    /// Says what an answer that is not a success means.
    pub(crate) async fn refused(&self, context: &RequestContext, answer: Answer) -> RegistryError {
        let status = answer.response.status();
        if !answer.at_home && status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            return RegistryError::Storage {
                context: context.boxed(),
                target: Origin::of(&answer.url),
                status: status.as_u16(),
            };
        }
        let headers = answer.response.headers().clone();
        let body = self
            .0
            .client
            .body(answer.response)
            .read_prefix(LARGEST_ERROR_BODY)
            .await;
        let refusal = Refusal {
            context,
            status,
            headers: &headers,
            body: &body,
        };
        let doubtful = status.is_client_error()
            && status != StatusCode::TOO_MANY_REQUESTS
            && !refusal.is_of_a_registry()
            && !speaks_v2(&headers);
        if doubtful && let Some(reason) = self.is_no_registry().await {
            return RegistryError::NotARegistry {
                context: context.boxed(),
                reason,
            };
        }
        refusal.into_error()
    }

    /// Pings the endpoint; returns how it shows that it is no registry, if it does.
    ///
    /// HT-4 wants the version header. Registries of the OCI specification need not send it ("Determining
    /// Support"), so 200, and 401 with a challenge, count as well.
    async fn is_no_registry(&self) -> Option<String> {
        // A failure here says nothing about what is there.
        let answer = self.ping(self.0.endpoint.api("")).await.ok()?;
        let headers = answer.response.headers();
        let status = answer.response.status();
        let speaks = match status.as_u16() {
            _ if speaks_v2(headers) => true,
            200 => answer.at_home,
            401 => Challenge::choose(headers).is_some(),
            // Busy or out of order: who knows.
            status => status == 429 || status >= 500,
        };
        if speaks {
            return None;
        }
        if status == StatusCode::NOT_FOUND && self.speaks_v1().await {
            return Some("it speaks version 1 of the protocol, which windlass does not".to_owned());
        }
        Some(format!("/v2/ answers with status {}", status.as_u16()))
    }

    /// FB-14 is left out: such registries are told apart so that the message can say so.
    async fn speaks_v1(&self) -> bool {
        let mut url = self.0.endpoint.origin().url().clone();
        url.set_path("/v1/_ping");
        let answer = if self.0.endpoint.is_at_root() {
            self.ping(url).await.ok()
        } else {
            None
        };
        answer.is_some_and(|answer| answer.at_home && answer.response.status() == StatusCode::OK)
    }

    async fn ping(&self, url: Url) -> Result<Answer, RegistryError> {
        let context = self.context(RequestKind::Ping);
        let mut ask = self.ask(&context, url);
        ask.patience = self.0.client.config().timeouts.ping;
        self.0.client.send(&ask, None).await
    }
}

/// HT-4.
pub(crate) fn speaks_v2(headers: &HeaderMap) -> bool {
    let versions = headers.get_all("docker-distribution-api-version");
    versions.iter().any(|version| {
        version
            .to_str()
            .is_ok_and(|text| text.split_whitespace().any(|word| word == "registry/2.0"))
    })
}
