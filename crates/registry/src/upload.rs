//! Uploads of blobs (OCI distribution specification, "Push").

use http::header::HeaderValue;
use http::{Method, StatusCode};
use url::Url;
use windlass_http::StreamingBody;
use windlass_oci::Digest;

use crate::digest_header::check_digest;
use crate::error::RegistryError;
use crate::repository::Repository;
use crate::request::{EndpointResponse, UploadBody};
use crate::request_context::{RequestContext, RequestKind};
use crate::upload_headers::{location, min_chunk, received_length};

/// An upload of a blob. The registry keeps the received bytes for some time, so that the upload can be
/// resumed.
#[derive(Debug)]
pub struct Upload {
    repository: Repository,
    digest: Digest,
    /// The URL of the next request. It may contain a secret and is not in any error.
    location: Url,
    offset: u64,
    /// The minimum size of a chunk that is not the last, in bytes.
    min_chunk: u64,
}

/// The outcome of a request with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The registry has received the body.
    Accepted,
    /// The same body has to be sent again: the token was rejected and a new one is available, or the registry
    /// redirected the request.
    Resend,
}

impl Upload {
    /// Returns the upload that `response` started.
    pub(crate) fn started(
        repository: &Repository,
        digest: &Digest,
        response: &EndpointResponse,
    ) -> Result<Self, RegistryError> {
        let context = repository.context(RequestKind::Upload(*digest));
        let headers = response.http.headers();
        let location = location(&context, &response.url, headers)?;
        Ok(Self {
            repository: repository.clone(),
            digest: *digest,
            location: location
                .ok_or_else(|| RegistryError::malformed(&context, "it has no Location"))?,
            offset: 0,
            min_chunk: min_chunk(headers),
        })
    }

    /// Returns how many bytes the registry has received.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the minimum size of a chunk that is not the last, in bytes.
    pub fn min_chunk(&self) -> u64 {
        self.min_chunk
    }

    /// Sends the next `length` bytes.
    pub async fn send(
        &mut self,
        body: StreamingBody,
        length: u64,
    ) -> Result<SendOutcome, RegistryError> {
        let context = self.context();
        let mut spec = self
            .repository
            .request_spec(&context, self.location.clone());
        spec.method = Method::PATCH;
        let end = self.offset + length;
        let range = format!("{}-{}", self.offset, end.saturating_sub(1));
        let range = HeaderValue::try_from(range).expect("digits are valid in a header");
        // The first chunk has no range: registries without chunked uploads accept that.
        let content_range = (self.offset > 0).then_some(range);
        let Some(response) = self
            .repository
            .send_stream(
                &spec,
                UploadBody {
                    body,
                    content_range,
                },
            )
            .await?
        else {
            return Ok(SendOutcome::Resend);
        };
        if is_redirect(&response) {
            self.follow(&context, &response)?;
            return Ok(SendOutcome::Resend);
        }
        if !response.http.status().is_success() {
            return Err(self.repository.response_error(&context, response).await);
        }
        let headers = response.http.headers();
        self.follow(&context, &response)?;
        // Some registries do not return the received length: it is assumed to be complete.
        self.offset = received_length(headers).unwrap_or(end);
        if self.offset != end {
            let (expected, found) = (end, self.offset);
            let context = context.boxed();
            return Err(RegistryError::Size {
                context,
                expected,
                found,
            });
        }
        Ok(SendOutcome::Accepted)
    }

    /// Sends the whole blob and completes the upload in one request.
    pub async fn put(&mut self, body: StreamingBody) -> Result<SendOutcome, RegistryError> {
        let context = self.context();
        let mut spec = self
            .repository
            .request_spec(&context, self.completion_url());
        spec.method = Method::PUT;
        spec.allow_time_for_hashing();
        let Some(response) = self
            .repository
            .send_stream(
                &spec,
                UploadBody {
                    body,
                    content_range: None,
                },
            )
            .await?
        else {
            return Ok(SendOutcome::Resend);
        };
        if is_redirect(&response) {
            self.follow(&context, &response)?;
            return Ok(SendOutcome::Resend);
        }
        self.check_completed(&context, response).await?;
        Ok(SendOutcome::Accepted)
    }

    /// Completes the upload: the registry hashes the received bytes and stores the blob if the digest
    /// matches.
    pub async fn finish(&mut self) -> Result<(), RegistryError> {
        let context = self.context();
        let mut spec = self
            .repository
            .request_spec(&context, self.completion_url());
        spec.method = Method::PUT;
        spec.allow_time_for_hashing();
        let response = self.repository.send_authorized(&spec).await?;
        self.check_completed(&context, response).await
    }

    /// Requests the received length, to resume the upload there.
    pub async fn resume(&mut self) -> Result<(), RegistryError> {
        let context = self.context();
        let spec = self
            .repository
            .request_spec(&context, self.location.clone());
        let response = self.repository.send_authorized(&spec).await?;
        let status = response.http.status();
        if status != StatusCode::NO_CONTENT && status != StatusCode::ACCEPTED {
            return Err(self.repository.response_error(&context, response).await);
        }
        let headers = response.http.headers();
        let received_length = received_length(headers);
        self.offset = received_length
            .ok_or_else(|| RegistryError::malformed(&context, "it has no usable Range"))?;
        self.follow(&context, &response)
    }

    /// Sends the next request to the location in `response`. Without one, the location stays the same.
    fn follow(
        &mut self,
        context: &RequestContext,
        response: &EndpointResponse,
    ) -> Result<(), RegistryError> {
        if let Some(location) = location(context, &response.url, response.http.headers())? {
            self.location = location;
        }
        Ok(())
    }

    /// Cancels the upload. Errors are ignored: the registry expires it later.
    pub async fn cancel(self) {
        let context = self.context();
        let mut spec = self
            .repository
            .request_spec(&context, self.location.clone());
        spec.method = Method::DELETE;
        if let Err(error) = self.repository.send_authorized(&spec).await {
            tracing::debug!(%error, "cannot cancel the upload");
        }
    }

    fn context(&self) -> RequestContext {
        self.repository.context(RequestKind::Upload(self.digest))
    }

    /// Returns the URL that completes the upload; it contains the digest.
    fn completion_url(&self) -> Url {
        let mut location = self.location.clone();
        // A redirect of the request that completes the upload has the digest already.
        if location.query_pairs().all(|(name, _)| name != "digest") {
            let digest = self.digest.to_string();
            location.query_pairs_mut().append_pair("digest", &digest);
        }
        location
    }

    async fn check_completed(
        &self,
        context: &RequestContext,
        response: EndpointResponse,
    ) -> Result<(), RegistryError> {
        match response.http.status().is_success() {
            true => check_digest(context, &self.digest, response.http.headers()),
            false => Err(self.repository.response_error(context, response).await),
        }
    }
}

/// Returns whether the response redirects a request whose body was streamed.
fn is_redirect(response: &EndpointResponse) -> bool {
    matches!(response.http.status().as_u16(), 307 | 308)
}
