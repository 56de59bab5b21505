//! The requests that a registry received, for assertions.

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

/// A request that a registry received.
///
/// Prints as one line, `GET /v2/app/manifests/1 200`.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The path, as sent.
    pub path: String,
    /// The query, without the `?`.
    pub query: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The version of HTTP.
    pub version: Version,
    /// The host in the request: `Host`, or `:authority` over HTTP/2.
    pub host: Option<String>,
    /// The TLS handshake; `None` without TLS.
    pub handshake: Option<TlsHandshake>,
    /// The number of its connection, counted from 0.
    pub connection: u64,
    /// The status of the response, once it was sent.
    pub status: Option<u16>,
    pub(super) sent: Arc<AtomicU64>,
}

impl RecordedRequest {
    /// Returns the value of a header, if it is present and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns all headers with this name, in their order.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.filter_map(|value| value.to_str().ok()).collect()
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

    /// Returns whether the client sent a certificate.
    pub fn has_client_certificate(&self) -> bool {
        let handshake = self.handshake.as_ref();
        handshake.is_some_and(|it| it.client_certificate.is_some())
    }

    /// Returns whether the request contains `secret`, also inside Basic credentials.
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

    /// Returns the bytes of the body that were handed to the connection. The client may have received 16 KiB
    /// less.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Registry {
    /// Returns all requests so far, in order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.state().requests.clone()
    }

    /// Returns all requests so far as lines, `GET /v2/app/manifests/1 200`.
    pub fn log(&self) -> Vec<String> {
        self.requests().iter().map(ToString::to_string).collect()
    }

    /// Returns the requests without TLS; a registry with TLS should get none.
    pub fn plaintext_requests(&self) -> Vec<RecordedRequest> {
        let mut requests = self.requests();
        requests.retain(|request| request.handshake.is_none());
        requests
    }

    /// Returns the number of connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Returns the requests for a blob, with any method.
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

    /// Returns the bytes of a blob that were handed to connections.
    pub fn bytes_sent(&self, digest: &Digest) -> u64 {
        self.blob_requests(digest)
            .iter()
            .map(RecordedRequest::sent)
            .sum()
    }

    /// Returns whether any request contained `secret`: in a header (also inside Basic credentials), the query
    /// or the body.
    pub fn received(&self, secret: &str) -> bool {
        self.requests()
            .iter()
            .any(|request| request.contains_secret(secret))
    }

    /// Returns whether any request had an `Authorization` header.
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
