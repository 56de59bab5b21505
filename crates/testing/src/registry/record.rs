//! What a registry was asked, for tests to look at.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, RANGE};
use hyper::{HeaderMap, Method};

use super::auth::basic;

/// One request that a registry saw.
///
/// Prints as one line, `GET /v2/app/manifests/1 200`.
#[derive(Clone, Debug)]
pub struct Request {
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
    /// Which connection it came on, counted from 0.
    pub connection: u64,
    /// The status it was answered with, once it was.
    pub status: Option<u16>,
    pub(super) sent: Arc<AtomicU64>,
}

impl Request {
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

    /// Returns whether `secret` is anywhere in it, also inside Basic credentials.
    pub(super) fn holds(&self, secret: &str) -> bool {
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

impl fmt::Display for Request {
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
