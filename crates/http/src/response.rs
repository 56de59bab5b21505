//! The head of a response.

use http::{HeaderMap, StatusCode, Version};
use hyper_core::body::{Body as _, Incoming};

use crate::body::{Body, BodyTimeout};
use crate::line::Line;

/// A response whose head is here. Dropping it gives up its body.
#[derive(Debug)]
pub struct Response {
    head: http::Response<Incoming>,
    line: Line,
}

impl Response {
    pub(crate) fn new(head: http::Response<Incoming>, line: Line) -> Self {
        Self { head, line }
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.head.status()
    }

    /// Returns the version of HTTP that was spoken.
    pub fn version(&self) -> Version {
        self.head.version()
    }

    /// Returns the headers.
    pub fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// Returns the length of the body in bytes, if the head says it. Of an answer to `HEAD` that is 0; the
    /// header says what would have come.
    pub fn content_length(&self) -> Option<u64> {
        self.head.body().size_hint().exact()
    }

    /// Makes the body readable.
    pub fn into_body(self, patience: BodyTimeout) -> Body {
        Body::new(self.head.into_body(), self.line, patience)
    }
}
