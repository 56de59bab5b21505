//! What a registry was asked, for tests to look at.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, RANGE};
use hyper::{HeaderMap, Method, Version};
use windlass_oci::Digest;

use super::Registry;
use super::auth::{basic, decoded};
use super::tls::TlsHandshake;

/// One request that a registry saw.
///
/// Prints as one line, `GET /v2/app/manifests/1 200`.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The path, as it was sent.
    pub path: String,
    /// What stood behind the `?`.
    pub query: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The version of HTTP.
    pub version: Version,
    /// Whom the client believes to ask: `Host`, or `:authority` over HTTP/2.
    pub host: Option<String>,
    /// How TLS was agreed upon; `None` for what came in the clear.
    pub handshake: Option<TlsHandshake>,
    /// Which connection it came on, counted from 0.
    pub connection: u64,
    /// The status it was answered with, once it was.
    pub status: Option<u16>,
    pub(super) sent: Arc<AtomicU64>,
}

impl RecordedRequest {
    /// Returns the value of a header, if it was sent (and is text).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the `Authorization` header.
    pub fn authorization(&self) -> Option<&str> {
        self.header(AUTHORIZATION.as_str())
    }

    /// Returns the `Range` header.
    pub fn range(&self) -> Option<&str> {
        self.header(RANGE.as_str())
    }

    /// Returns the decoded value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.as_deref()?.split('&');
        pairs.find_map(|pair| Some(decoded(pair.strip_prefix(name)?.strip_prefix('=')?)))
    }

    /// Returns whether the client showed a certificate.
    pub fn has_client_certificate(&self) -> bool {
        let handshake = self.handshake.as_ref();
        handshake.is_some_and(|it| it.client_certificate.is_some())
    }

    /// Returns whether `secret` is anywhere in it, also inside Basic credentials.
    pub(super) fn contains_secret(&self, secret: &str) -> bool {
        let contains = |bytes: &[u8]| {
            let mut windows = bytes.windows(secret.len().max(1));
            windows.any(|window| window == secret.as_bytes())
        };
        let basic = self.authorization().and_then(basic).unwrap_or_default();
        let texts = [Some(&*self.path), self.query.as_deref(), Some(&basic)];
        texts
            .into_iter()
            .flatten()
            .any(|text| text.contains(secret))
            || self
                .headers
                .values()
                .any(|value| contains(value.as_bytes()))
            || contains(&self.body)
    }

    /// Returns how many bytes of body have been given to the connection so far. The client may have got
    /// 16 KiB less.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Registry {
    /// Returns all requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.state().requests.clone()
    }

    /// Returns all requests so far as lines, `GET /v2/app/manifests/1 200`.
    pub fn log(&self) -> Vec<String> {
        self.requests().iter().map(ToString::to_string).collect()
    }

    /// Returns the requests that came without TLS; of a registry with TLS, none should.
    pub fn plaintext_requests(&self) -> Vec<RecordedRequest> {
        let mut requests = self.requests();
        requests.retain(|request| request.handshake.is_none());
        requests
    }

    /// Returns how many connections were made so far, whatever came of them.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Returns the requests (of any method) for a blob.
    pub fn blob_requests(&self, digest: &Digest) -> Vec<RecordedRequest> {
        let end = format!("/blobs/{digest}");
        let mut requests = self.requests();
        requests.retain(|request| request.path.ends_with(&end));
        requests
    }

    /// Returns the `Range` of each GET for a blob; `whole` for those without.
    pub fn requested_ranges(&self, digest: &Digest) -> Vec<String> {
        let requests = self.blob_requests(digest);
        let gets = requests.iter().filter(|request| request.method == "GET");
        gets.map(|get| get.range().unwrap_or("whole").to_owned())
            .collect()
    }

    /// Returns how many bytes of a blob have been given to connections so far.
    pub fn bytes_sent(&self, digest: &Digest) -> u64 {
        self.blob_requests(digest)
            .iter()
            .map(RecordedRequest::sent)
            .sum()
    }

    /// Returns whether `secret` came in any request: in a header (also inside Basic credentials), the query
    /// or the body.
    pub fn received(&self, secret: &str) -> bool {
        self.requests()
            .iter()
            .any(|request| request.contains_secret(secret))
    }

    /// Returns whether any request carried an `Authorization`.
    pub fn received_authorization(&self) -> bool {
        let requests = self.requests();
        requests
            .iter()
            .any(|request| request.authorization().is_some())
    }
}

impl fmt::Display for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        match self.status {
            Some(status) => write!(f, " {status}"),
            None => write!(f, " -"),
        }
    }
}
