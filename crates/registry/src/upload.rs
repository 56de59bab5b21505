//! Takes blobs and manifests to a registry (OCI distribution specification, "Push").

use http::header::{HeaderMap, HeaderValue, LOCATION, RANGE};
use http::{Method, StatusCode};
use url::Url;
use windlass_http::StreamingBody;
use windlass_oci::{Descriptor, Digest, RepositoryName};

use crate::error::{DigestMismatch, RegistryError, RequestContext, RequestKind};
use crate::exchange::Answer;
use crate::head::length;
use crate::manifest::{TagOrDigest, announced};
use crate::origin::Origin;
use crate::redirect::{RedirectError, target};
use crate::repository::Repository;

/// How an upload began.
#[derive(Debug)]
pub enum UploadStart {
    /// The registry took the blob over from another repository: there is nothing to send.
    Mounted,
    /// The registry takes the bytes.
    Upload(Upload),
}

/// A blob on its way to a registry. What was sent stays there for a while, to be gone on with.
#[derive(Debug)]
pub struct Upload {
    repository: Repository,
    digest: Digest,
    /// Where to send what comes next. It may hold a secret, and is in no error.
    location: Url,
    offset: u64,
    /// How few bytes the registry takes in a piece that is not the last.
    min_chunk: u64,
}

/// What became of a body that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The registry has it.
    Accepted,
    /// The registry wants another token, which is there now: the same has to be sent again.
    Resend,
}

/// How many times longer an answer may take when a registry has a whole blob to hash first.
const HASHING: u32 = 10;

impl Repository {
    /// Tells whether the repository has the blob: by HEAD alone, for what it does not tell is found out by sending it.
    pub async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        let context = self.context(RequestKind::Blob(descriptor.digest));
        let path = format!("{}/blobs/{}", self.path(), descriptor.digest);
        let answer = self.head_of(&context, &path, None).await?;
        match answer.response.status().as_u16() {
            200 => Ok(length(&answer).is_none_or(|size| size == descriptor.size)),
            401 | 403 | 408 | 425 | 429 | 500..=599 => Err(self.refused(&context, answer).await),
            _ => Ok(false),
        }
    }

    /// Begins to upload the blob called `digest`, unless the registry takes it over from the repository `from`.
    pub async fn begin_upload(
        &self,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<UploadStart, RegistryError> {
        let context = self.context(RequestKind::Upload(*digest));
        if let Some(from) = from {
            let answer = self.post(&context, Some((digest, from))).await?;
            match answer.response.status().as_u16() {
                201 => {
                    check_digest(&context, digest, answer.response.headers())?;
                    return Ok(UploadStart::Mounted);
                }
                202 => return self.begun(&context, digest, &answer),
                408 | 425 | 429 | 500..=599 => return Err(self.refused(&context, answer).await),
                // One that does not mount may say so in many ways: without, it is asked for the usual.
                _ => tracing::debug!(%context, "not mounted"),
            }
        }
        let answer = self.post(&context, None).await?;
        match answer.response.status() {
            StatusCode::ACCEPTED => self.begun(&context, digest, &answer),
            _ => Err(self.refused(&context, answer).await),
        }
    }

    /// Puts a manifest or index under `to`, a tag or its own digest. Returns the subject that the registry lists it
    /// for, if it does so itself.
    pub async fn put_manifest(
        &self,
        to: &TagOrDigest,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Option<Digest>, RegistryError> {
        let context = self.context(RequestKind::Put(to.clone()));
        let url = self.endpoint().api(&self.manifest_path(to));
        let media_type = HeaderValue::from_str(media_type);
        let media_type = media_type.map_err(|_| malformed(&context, "its media type is none"))?;
        let mut ask = self.ask(&context, url);
        ask.method = Method::PUT;
        ask.document = Some((media_type, bytes.to_vec().into()));
        ask.patience *= HASHING;
        let answer = self.authorized(&ask).await?;
        if !answer.response.status().is_success() {
            return Err(self.refused(&context, answer).await);
        }
        if let Some(found) = announced(&context, answer.response.headers())? {
            let expected = Digest::of(found.algorithm(), bytes);
            if found != expected {
                let mismatch = Box::new(DigestMismatch { expected, found });
                let context = context.boxed();
                return Err(RegistryError::Digest { context, mismatch });
            }
        }
        let subject = answer.response.headers().get("oci-subject");
        let subject = subject.and_then(|subject| subject.to_str().ok());
        Ok(subject.and_then(|subject| subject.parse().ok()))
    }

    async fn post(
        &self,
        context: &RequestContext,
        mount: Option<(&Digest, &RepositoryName)>,
    ) -> Result<Answer, RegistryError> {
        let path = format!("{}/blobs/uploads/", self.path());
        let mut url = self.endpoint().api(&path);
        if let Some((digest, from)) = mount {
            let mut query = url.query_pairs_mut();
            query.append_pair("mount", &digest.to_string());
            query.append_pair("from", from.path());
        }
        let mut ask = self.ask(context, url);
        ask.method = Method::POST;
        self.authorized(&ask).await
    }

    fn begun(
        &self,
        context: &RequestContext,
        digest: &Digest,
        answer: &Answer,
    ) -> Result<UploadStart, RegistryError> {
        Ok(UploadStart::Upload(Upload {
            repository: self.clone(),
            digest: *digest,
            location: location(context, &answer.url, answer.response.headers())?,
            offset: 0,
            min_chunk: min_chunk(answer.response.headers()),
        }))
    }
}

impl Upload {
    /// Returns how many bytes the registry has.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns how few bytes a piece may have that is not the last.
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
        let mut ask = self.repository.ask(&context, self.location.clone());
        ask.method = Method::PATCH;
        let end = self.offset + length;
        let range = format!("{}-{}", self.offset, end.saturating_sub(1));
        let range = HeaderValue::try_from(range).expect("digits are fit for a header");
        // The first piece of all says nothing of a range: registries that take no pieces take that.
        let range = (self.offset > 0).then_some(range);
        let Some(answer) = self.repository.send_stream(&ask, (body, range)).await? else {
            return Ok(SendOutcome::Resend);
        };
        if !answer.response.status().is_success() {
            return Err(self.repository.refused(&context, answer).await);
        }
        let headers = answer.response.headers();
        self.location = location(&context, &answer.url, headers)?;
        // Some say nothing of how much they have: then it is what they were sent.
        self.offset = received(headers).unwrap_or(end);
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

    /// Sends all of the blob and ends the upload, in one request.
    pub async fn put(&mut self, body: StreamingBody) -> Result<SendOutcome, RegistryError> {
        let context = self.context();
        let mut ask = self.repository.ask(&context, self.named());
        ask.method = Method::PUT;
        ask.patience *= HASHING;
        let Some(answer) = self.repository.send_stream(&ask, (body, None)).await? else {
            return Ok(SendOutcome::Resend);
        };
        self.ended(&context, answer).await?;
        Ok(SendOutcome::Accepted)
    }

    /// Ends the upload: the registry hashes what it has, and keeps it if that is the blob.
    pub async fn finish(&mut self) -> Result<(), RegistryError> {
        let context = self.context();
        let mut ask = self.repository.ask(&context, self.named());
        ask.method = Method::PUT;
        ask.patience *= HASHING;
        let answer = self.repository.authorized(&ask).await?;
        self.ended(&context, answer).await
    }

    /// Asks how many bytes the registry has, to go on behind them.
    pub async fn resume(&mut self) -> Result<(), RegistryError> {
        let context = self.context();
        let ask = self.repository.ask(&context, self.location.clone());
        let answer = self.repository.authorized(&ask).await?;
        let status = answer.response.status();
        if status != StatusCode::NO_CONTENT && status != StatusCode::ACCEPTED {
            return Err(self.repository.refused(&context, answer).await);
        }
        let headers = answer.response.headers();
        let received = received(headers);
        self.offset = received.ok_or_else(|| malformed(&context, "it has no usable Range"))?;
        if headers.contains_key(LOCATION) {
            self.location = location(&context, &answer.url, headers)?;
        }
        Ok(())
    }

    /// Lets the registry forget what it has. Nobody waits for a registry that does not.
    pub async fn cancel(self) {
        let context = self.context();
        let mut ask = self.repository.ask(&context, self.location.clone());
        ask.method = Method::DELETE;
        if let Err(error) = self.repository.authorized(&ask).await {
            tracing::debug!(%error, "an upload is left behind");
        }
    }

    fn context(&self) -> RequestContext {
        self.repository.context(RequestKind::Upload(self.digest))
    }

    /// Returns where to send what ends the upload: there it is said which blob it is.
    fn named(&self) -> Url {
        let mut location = self.location.clone();
        let digest = self.digest.to_string();
        location.query_pairs_mut().append_pair("digest", &digest);
        location
    }

    async fn ended(&self, context: &RequestContext, answer: Answer) -> Result<(), RegistryError> {
        match answer.response.status().is_success() {
            true => check_digest(context, &self.digest, answer.response.headers()),
            false => Err(self.repository.refused(context, answer).await),
        }
    }
}

/// Holds what the registry says that it has now against what it should have.
fn check_digest(
    context: &RequestContext,
    expected: &Digest,
    headers: &HeaderMap,
) -> Result<(), RegistryError> {
    match announced(context, headers)? {
        Some(found) if found.algorithm() == expected.algorithm() && found != *expected => {
            let expected = *expected;
            let mismatch = Box::new(DigestMismatch { expected, found });
            let context = context.boxed();
            Err(RegistryError::Digest { context, mismatch })
        }
        _ => Ok(()),
    }
}

/// Reads `OCI-Chunk-Min-Length`; what is no number asks for nothing.
fn min_chunk(headers: &HeaderMap) -> u64 {
    let min = headers.get("oci-chunk-min-length");
    let min = min.and_then(|min| min.to_str().ok()?.trim().parse().ok());
    min.unwrap_or(0)
}

/// Returns where an upload goes on: at the same scheme, host and port, for the credentials go there, too.
fn location(
    context: &RequestContext,
    from: &Url,
    headers: &HeaderMap,
) -> Result<Url, RegistryError> {
    let refuse = |source| RegistryError::Redirect {
        context: context.boxed(),
        source,
    };
    let to = target(from, headers).map_err(refuse)?;
    if to.origin() != from.origin() {
        let elsewhere = Origin::of(&to).to_string();
        return Err(refuse(RedirectError::Elsewhere(elsewhere)));
    }
    Ok(to)
}

/// Reads `Range: 0-N`, which says how many bytes there are: one more than N, or none if N is 0 and nothing was sent.
fn received(headers: &HeaderMap) -> Option<u64> {
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
    fn ranges_say_how_much_is_there() {
        let read = |text| received(&headers("range", text));
        assert_eq!(read("0-0"), Some(0));
        assert_eq!(read("0-9"), Some(10));
        assert_eq!(read("bytes=0-9"), Some(10));
        for odd in ["", "5-9", "0-", "0-x", "9", "0-18446744073709551615"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    /// R8: credentials go where the upload goes.
    #[test]
    fn uploads_stay_at_their_registry() {
        let context = RequestContext {
            origin: Origin::parse("https://reg.test").unwrap(),
            repository: "app".to_owned(),
            kind: RequestKind::Ping,
        };
        let from = Url::parse("https://reg.test/v2/app/blobs/uploads/").unwrap();
        let leads =
            |to: &str| location(&context, &from, &headers("location", to)).map(String::from);
        let there = "https://reg.test/v2/app/blobs/uploads/1?_state=x";
        assert_eq!(leads("/v2/app/blobs/uploads/1?_state=x").unwrap(), there);
        assert_eq!(leads(there).unwrap(), there);
        for elsewhere in [
            "https://evil.test/x?_state=secret",
            "https://reg.test:444/x?_state=secret",
            "http://reg.test/x?_state=secret",
            "//evil.test/x?_state=secret",
        ] {
            let error = windlass_oci::text::error_chain(&leads(elsewhere).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
