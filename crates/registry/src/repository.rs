//! Sessions with one repository at one endpoint.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;
use windlass_oci::RepositoryName;

use crate::access_scope::AccessScope;
use crate::auth_session::AuthSession;
use crate::caller::Caller;
use crate::challenge::Challenge;
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::RegistryError;
use crate::failed_response::{FailedResponse, MAX_ERROR_BODY};
use crate::origin::Origin;
use crate::request::{EndpointResponse, UploadBody};
use crate::request_context::{RequestContext, RequestKind};
use crate::request_spec::{RangeSpec, RequestPeer, RequestSpec};

/// A session with one repository at one endpoint: sends requests, authenticates and verifies responses. Cheap
/// to clone; clones share the session.
#[derive(Clone, Debug)]
pub struct Repository(Arc<RepositoryInner>);

#[derive(Debug)]
struct RepositoryInner {
    client: Client,
    endpoint: Endpoint,
    name: RepositoryName,
    caller: Caller,
    session: Arc<AuthSession>,
}

impl Repository {
    pub(crate) fn new(
        client: Client,
        endpoint: Endpoint,
        name: RepositoryName,
        caller: &Caller,
        scope: AccessScope,
    ) -> Self {
        let session = caller.session(&endpoint, name.path(), scope);
        let caller = caller.clone();
        Self(Arc::new(RepositoryInner {
            client,
            endpoint,
            name,
            caller,
            session,
        }))
    }

    /// Returns the same repository with a session that may also read the repository `from`.
    pub(crate) fn mounting_from(&self, from: &RepositoryName) -> Self {
        let scope = AccessScope::Mount(from.path().to_owned());
        let inner = &self.0;
        Self::new(
            inner.client.clone(),
            inner.endpoint.clone(),
            inner.name.clone(),
            &inner.caller,
            scope,
        )
    }

    /// Returns the endpoint of this repository.
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

    /// Returns the context of a request for `kind`, for errors.
    pub fn context(&self, kind: RequestKind) -> RequestContext {
        RequestContext {
            origin: self.0.endpoint.origin().clone(),
            repository: self.path().to_owned(),
            kind,
        }
    }

    /// Requests `path` below the API; returns the response if it is successful.
    ///
    /// The response to a range request may also have status 206 or 416.
    pub(crate) async fn get(
        &self,
        context: &RequestContext,
        path: &str,
        accept: &[HeaderValue],
        range: RangeSpec,
    ) -> Result<EndpointResponse, RegistryError> {
        self.get_url(context, self.0.endpoint.api(path), accept, range)
            .await
    }

    /// Requests `url`, which must be on the endpoint, like [`Self::get`].
    pub(crate) async fn get_url(
        &self,
        context: &RequestContext,
        url: Url,
        accept: &[HeaderValue],
        range: RangeSpec,
    ) -> Result<EndpointResponse, RegistryError> {
        let mut spec = self.request_spec(context, url);
        spec.accept = accept;
        spec.range = range;
        let response = self.send_authorized(&spec).await?;
        match response.http.status() {
            StatusCode::OK => Ok(response),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if range.is_range() => {
                Ok(response)
            }
            _ => Err(self.response_error(context, response).await),
        }
    }

    /// Requests the headers of `path` below the API; returns the response with any status.
    pub(crate) async fn send_head(
        &self,
        context: &RequestContext,
        path: &str,
        accept: &[HeaderValue],
    ) -> Result<EndpointResponse, RegistryError> {
        let mut spec = self.request_spec(context, self.0.endpoint.api(path));
        spec.method = Method::HEAD;
        spec.accept = accept;
        self.send_authorized(&spec).await
    }

    pub(crate) fn request_spec<'a>(
        &'a self,
        context: &'a RequestContext,
        url: Url,
    ) -> RequestSpec<'a> {
        let endpoint = &self.0.endpoint;
        let response_timeout = self.0.client.config().timeouts.response;
        let url = endpoint.with_namespace(url);
        RequestSpec::get(
            context,
            RequestPeer::Endpoint(endpoint),
            url,
            response_timeout,
        )
    }

    /// Updates the health of the endpoint according to a result.
    pub(crate) fn record_outcome<T>(
        &self,
        response: Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        self.0
            .client
            .record_outcome(self.0.endpoint.origin(), &response);
        response
    }

    /// Sends the request, and again with a new authorization if it is rejected with 401 (HT-12).
    pub(crate) async fn send_authorized(
        &self,
        spec: &RequestSpec<'_>,
    ) -> Result<EndpointResponse, RegistryError> {
        let authorization = self.0.session.authorization(&self.0.client).await?;
        let response = self.0.client.send(spec, authorization.header()).await?;
        // Challenges of other origins are not answered (T26).
        if response.http.status() != StatusCode::UNAUTHORIZED || !response.same_origin {
            return Ok(response);
        }
        let Some(challenge) = Challenge::choose(response.http.headers()) else {
            return Ok(response);
        };
        match (self.0.session)
            .renew(&self.0.client, &authorization, &challenge)
            .await?
        {
            Some(authorization) => self.0.client.send(spec, authorization.header()).await,
            None => Ok(response),
        }
    }

    /// Sends the request with a streamed body, which can be sent once only. Returns `None` if it was rejected
    /// with 401 and there is a new authorization, which the next attempt uses.
    pub(crate) async fn send_stream(
        &self,
        spec: &RequestSpec<'_>,
        body: UploadBody,
    ) -> Result<Option<EndpointResponse>, RegistryError> {
        let authorization = self.0.session.authorization(&self.0.client).await?;
        let response = self
            .0
            .client
            .send_stream(spec, authorization.header(), body)
            .await?;
        if response.http.status() == StatusCode::UNAUTHORIZED
            && let Some(challenge) = Challenge::choose(response.http.headers())
        {
            let client = &self.0.client;
            let renewed = self
                .0
                .session
                .renew(client, &authorization, &challenge)
                .await?;
            if renewed.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(response))
    }

    /// Converts an unsuccessful response into an error.
    pub(crate) async fn response_error(
        &self,
        context: &RequestContext,
        response: EndpointResponse,
    ) -> RegistryError {
        let status = response.http.status();
        if !response.same_origin
            && status.is_client_error()
            && status != StatusCode::TOO_MANY_REQUESTS
        {
            return RegistryError::Storage {
                context: context.boxed(),
                target: Origin::of(&response.url),
                status: status.as_u16(),
            };
        }
        let headers = response.http.headers().clone();
        let body = self
            .0
            .client
            .body(response.http)
            .read_prefix(MAX_ERROR_BODY)
            .await;
        let failed = FailedResponse {
            context,
            status,
            headers: &headers,
            body: &body,
        };
        let may_not_be_a_registry = status.is_client_error()
            && status != StatusCode::TOO_MANY_REQUESTS
            && !failed.has_registry_error()
            && !has_v2_header(&headers);
        if may_not_be_a_registry && let Some(reason) = self.not_a_registry_reason().await {
            return RegistryError::NotARegistry {
                context: context.boxed(),
                reason,
            };
        }
        failed.into_error()
    }

    /// Checks that the endpoint responds, and that its response is that of a registry. No credentials are sent.
    pub async fn check_endpoint(&self) -> Result<(), RegistryError> {
        self.record_outcome(self.ping_endpoint().await)
    }

    async fn ping_endpoint(&self) -> Result<(), RegistryError> {
        let response = self.ping(self.0.endpoint.api("")).await?;
        match self.reason_against(&response).await {
            None => Ok(()),
            Some(reason) => Err(RegistryError::NotARegistry {
                context: self.context(RequestKind::Ping).boxed(),
                reason,
            }),
        }
    }

    /// Pings the endpoint; returns the evidence that it is not a registry, if there is any.
    ///
    /// HT-4 requires the version header. Registries of the OCI specification need not send it ("Determining
    /// Support"), so 200, and 401 with a challenge, are accepted as well.
    async fn not_a_registry_reason(&self) -> Option<String> {
        // A failure of the ping is not evidence.
        let response = self.ping(self.0.endpoint.api("")).await.ok()?;
        self.reason_against(&response).await
    }

    /// Returns the evidence in the response to a ping that the endpoint is not a registry.
    async fn reason_against(&self, response: &EndpointResponse) -> Option<String> {
        let headers = response.http.headers();
        let status = response.http.status();
        let is_registry = match status.as_u16() {
            _ if has_v2_header(headers) => true,
            200 => response.same_origin,
            401 => Challenge::choose(headers).is_some(),
            // Busy or unavailable: unknown.
            status => status == 429 || status >= 500,
        };
        if is_registry {
            return None;
        }
        if status == StatusCode::NOT_FOUND && self.supports_v1().await {
            return Some(
                "it uses version 1 of the protocol, which windlass does not support".to_owned(),
            );
        }
        Some(format!("/v2/ returns status {}", status.as_u16()))
    }

    /// Returns whether the endpoint is a registry of version 1. It is detected for the error message only;
    /// FB-14 is not supported.
    async fn supports_v1(&self) -> bool {
        let mut url = self.0.endpoint.origin().url().clone();
        url.set_path("/v1/_ping");
        let response = if self.0.endpoint.is_at_root() {
            self.ping(url).await.ok()
        } else {
            None
        };
        response.is_some_and(|response| {
            response.same_origin && response.http.status() == StatusCode::OK
        })
    }

    async fn ping(&self, url: Url) -> Result<EndpointResponse, RegistryError> {
        let context = self.context(RequestKind::Ping);
        let mut spec = self.request_spec(&context, url);
        spec.response_timeout = self.0.client.config().timeouts.ping;
        self.0.client.send(&spec, None).await
    }
}

impl Client {
    /// Opens a session with the repository `name` at `endpoint` on behalf of `caller`, or joins the caller's
    /// existing session. Sends nothing yet.
    pub fn repository(
        &self,
        endpoint: Endpoint,
        name: RepositoryName,
        caller: &Caller,
    ) -> Repository {
        Repository::new(self.clone(), endpoint, name, caller, AccessScope::Pull)
    }

    /// Opens a session that may write to the repository. Sends nothing yet.
    pub fn repository_to_push(
        &self,
        endpoint: Endpoint,
        name: RepositoryName,
        caller: &Caller,
    ) -> Repository {
        Repository::new(self.clone(), endpoint, name, caller, AccessScope::Push)
    }
}

/// Returns whether the response has the version header of the v2 protocol (HT-4).
pub(crate) fn has_v2_header(headers: &HeaderMap) -> bool {
    let versions = headers.get_all("docker-distribution-api-version");
    versions.iter().any(|version| {
        version
            .to_str()
            .is_ok_and(|text| text.split_whitespace().any(|word| word == "registry/2.0"))
    })
}
