//! Uploads blobs and manifests (OCI distribution specification, "Push").

use http::header::{HeaderMap, HeaderValue, LOCATION, RANGE};
use http::{Method, StatusCode};
use url::Url;
use windlass_http::StreamingBody;
use windlass_oci::{Descriptor, Digest, RepositoryName};

use crate::error::{DigestMismatch, RegistryError, RequestContext, RequestKind};
use crate::head_request::length;
use crate::manifest::{TagOrDigest, announced_digest};
use crate::origin::Origin;
use crate::redirect::{RedirectError, target};
use crate::repository::Repository;
use crate::request::{EndpointResponse, UploadBody};

/// The start of an upload.
#[derive(Debug)]
pub enum UploadStart {
    /// The registry mounted the blob from another repository: there is nothing to send.
    Mounted,
    /// The upload was started.
    Upload(Upload),
}

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

/// The factor for the response timeout when the registry has to hash a whole blob first.
const HASHING_FACTOR: u32 = 10;

impl Repository {
    /// Returns whether the repository has the blob, by HEAD only: without a clear response the blob is sent. A token
    /// may permit to write and not to read, and some registries respond to HEAD with status 500.
    pub async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        let context = self.context(RequestKind::Blob(descriptor.digest));
        let path = format!("{}/blobs/{}", self.path(), descriptor.digest);
        let response = self.send_head(&context, &path, &[]).await?;
        match response.http.status().as_u16() {
            200 => Ok(length(&response).is_none_or(|size| size == descriptor.size)),
            401 | 429 => Err(self.response_error(&context, response).await),
            _ => Ok(false),
        }
    }

    /// Starts the upload of the blob `digest`, unless the registry mounts it from the repository `from`.
    pub async fn begin_upload(
        &self,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<UploadStart, RegistryError> {
        let context = self.context(RequestKind::Upload(*digest));
        if let Some(from) = from
            && let Some(start) = self.mount(&context, digest, from).await?
        {
            return Ok(start);
        }
        let response = self.post(&context, None).await?;
        match response.http.status() {
            StatusCode::ACCEPTED => self.started(&context, digest, &response),
            _ => Err(self.response_error(&context, response).await),
        }
    }

    /// Uploads a manifest or index as `to`, a tag or its own digest. Returns the subject that the registry
    /// lists it for, if it supports that.
    pub async fn put_manifest(
        &self,
        to: &TagOrDigest,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Option<Digest>, RegistryError> {
        let context = self.context(RequestKind::Put(to.clone()));
        let url = self.endpoint().api(&self.manifest_path(to));
        let media_type = HeaderValue::from_str(media_type);
        let media_type =
            media_type.map_err(|_| malformed(&context, "its media type is invalid"))?;
        let mut spec = self.request_spec(&context, url);
        spec.method = Method::PUT;
        spec.document = Some((media_type, bytes.to_vec().into()));
        spec.response_timeout *= HASHING_FACTOR;
        let response = self.send_authorized(&spec).await?;
        if !response.http.status().is_success() {
            return Err(self.response_error(&context, response).await);
        }
        if let Some(found) = announced_digest(&context, response.http.headers())? {
            let expected = Digest::of(found.algorithm(), bytes);
            if found != expected {
                let mismatch = Box::new(DigestMismatch { expected, found });
                let context = context.boxed();
                return Err(RegistryError::Digest { context, mismatch });
            }
        }
        let subject = response.http.headers().get("oci-subject");
        let subject = subject.and_then(|subject| subject.to_str().ok());
        Ok(subject.and_then(|subject| subject.parse().ok()))
    }

    /// Requests the mount of the blob from the repository `from`. Returns `None` if the blob has to be sent.
    ///
    /// Mounting only saves time, so whatever goes wrong with it does not fail the upload: registries without mounting
    /// respond in various ways, and a token server may refuse access to `from`. An exception is a limit on the rate of
    /// requests, which a plain upload would exceed as well.
    async fn mount(
        &self,
        context: &RequestContext,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<Option<UploadStart>, RegistryError> {
        let mounting = self.mounting_from(from);
        let response = match mounting.post(context, Some((digest, from))).await {
            Ok(response) => response,
            Err(error) => {
                tracing::debug!(%context, %error, "the blob cannot be mounted");
                return Ok(None);
            }
        };
        match response.http.status().as_u16() {
            201 => {
                check_digest(context, digest, response.http.headers())?;
                Ok(Some(UploadStart::Mounted))
            }
            202 => Ok(Some(self.started(context, digest, &response)?)),
            429 => Err(self.response_error(context, response).await),
            status => {
                tracing::debug!(%context, status, "the blob was not mounted");
                Ok(None)
            }
        }
    }

    async fn post(
        &self,
        context: &RequestContext,
        mount: Option<(&Digest, &RepositoryName)>,
    ) -> Result<EndpointResponse, RegistryError> {
        let path = format!("{}/blobs/uploads/", self.path());
        let mut url = self.endpoint().api(&path);
        if let Some((digest, from)) = mount {
            let mut query = url.query_pairs_mut();
            query.append_pair("mount", &digest.to_string());
            query.append_pair("from", from.path());
        }
        let mut spec = self.request_spec(context, url);
        spec.method = Method::POST;
        self.send_authorized(&spec).await
    }

    fn started(
        &self,
        context: &RequestContext,
        digest: &Digest,
        response: &EndpointResponse,
    ) -> Result<UploadStart, RegistryError> {
        Ok(UploadStart::Upload(Upload {
            repository: self.clone(),
            digest: *digest,
            location: location(context, &response.url, response.http.headers())?
                .ok_or_else(|| malformed(context, "it has no Location"))?,
            offset: 0,
            min_chunk: min_chunk(response.http.headers()),
        }))
    }
}

impl Upload {
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
        spec.response_timeout *= HASHING_FACTOR;
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
        spec.response_timeout *= HASHING_FACTOR;
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
        self.offset =
            received_length.ok_or_else(|| malformed(&context, "it has no usable Range"))?;
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

/// Compares the announced digest with the expected one.
fn check_digest(
    context: &RequestContext,
    expected: &Digest,
    headers: &HeaderMap,
) -> Result<(), RegistryError> {
    match announced_digest(context, headers)? {
        Some(found) if found.algorithm() == expected.algorithm() && found != *expected => {
            let expected = *expected;
            let mismatch = Box::new(DigestMismatch { expected, found });
            let context = context.boxed();
            Err(RegistryError::Digest { context, mismatch })
        }
        _ => Ok(()),
    }
}

/// Parses `OCI-Chunk-Min-Length`; 0 if it is missing or invalid.
fn min_chunk(headers: &HeaderMap) -> u64 {
    let min = headers.get("oci-chunk-min-length");
    let min = min.and_then(|min| min.to_str().ok()?.trim().parse().ok());
    min.unwrap_or(0)
}

/// Returns the next URL of an upload, if the response has one. It must have the same scheme, host and port, because
/// credentials are sent to it.
///
/// A registry behind a proxy that ends TLS may call itself `http`. With the same host, its location is used with the
/// scheme and port of the request.
fn location(
    context: &RequestContext,
    from: &Url,
    headers: &HeaderMap,
) -> Result<Option<Url>, RegistryError> {
    if headers.get(LOCATION).is_none_or(HeaderValue::is_empty) {
        return Ok(None);
    }
    let refuse = |source| RegistryError::Redirect {
        context: context.boxed(),
        source,
    };
    let to = target(from, headers).map_err(refuse)?;
    if to.origin() != from.origin() {
        let elsewhere = Origin::of(&to).to_string();
        return Err(refuse(RedirectError::OtherOrigin(elsewhere)));
    }
    Ok(Some(to))
}

/// Parses `Range: 0-N`: N + 1 bytes were received, or none if N is 0 and nothing was sent.
fn received_length(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?;
    let text = text.strip_prefix("bytes=").unwrap_or(text);
    let (start, end) = text.split_once('-')?;
    if start != "0" {
        return None;
    }
    let end: u64 = end.parse().ok()?;
    Some(if end == 0 { 0 } else { end.checked_add(1)? })
}

fn malformed(context: &RequestContext, reason: &str) -> RegistryError {
    RegistryError::Malformed {
        context: context.boxed(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).unwrap();
        HeaderMap::from_iter([(http::header::HeaderName::from_static(name), value)])
    }

    #[test]
    fn ranges_contain_the_received_length() {
        let read = |text| received_length(&headers("range", text));
        assert_eq!(read("0-0"), Some(0));
        assert_eq!(read("0-9"), Some(10));
        assert_eq!(read("bytes=0-9"), Some(10));
        for odd in ["", "5-9", "0-", "0-x", "9", "0-18446744073709551615"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    /// R8: credentials are sent with the upload.
    #[test]
    fn uploads_stay_on_their_registry() {
        let context = RequestContext {
            origin: Origin::parse("https://reg.test").unwrap(),
            repository: "app".to_owned(),
            kind: RequestKind::Ping,
        };
        let from = Url::parse("https://reg.test/v2/app/blobs/uploads/").unwrap();
        let next_location = |to: &str| {
            let next = location(&context, &from, &headers("location", to))?;
            Ok::<_, RegistryError>(next.map(String::from))
        };
        let there = "https://reg.test/v2/app/blobs/uploads/1?_state=x".to_owned();
        assert_eq!(
            next_location("/v2/app/blobs/uploads/1?_state=x").unwrap(),
            Some(there.clone())
        );
        // A registry behind a proxy that ends TLS.
        for same_host in [&there, &there.replace("https", "http")] {
            assert_eq!(next_location(same_host).unwrap(), Some(there.clone()));
        }
        assert_eq!(next_location("").unwrap(), None);
        for elsewhere in [
            "https://evil.test/x?_state=secret",
            "http://reg.test:5000/x?_state=secret",
            "https://reg.test:444/x?_state=secret",
            "//evil.test/x?_state=secret",
        ] {
            let error = windlass_oci::text::error_chain(&next_location(elsewhere).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
