//! HTTP responses.

use http::{HeaderMap, StatusCode, Version};
use hyper_core::body::{Body as _, Incoming};

use crate::pooled::ConnectionHandle;
use crate::response_body::{BodyTimeout, ResponseBody};

/// A response whose head has arrived. Dropping it discards the body.
#[derive(Debug)]
pub struct Response {
    head: http::Response<Incoming>,
    connection: ConnectionHandle,
}

impl Response {
    pub(crate) fn new(head: http::Response<Incoming>, connection: ConnectionHandle) -> Self {
        Self { head, connection }
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.head.status()
    }

    /// Returns the HTTP version of the response.
    pub fn version(&self) -> Version {
        self.head.version()
    }

    /// Returns the headers.
    pub fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// Returns the length of the body in bytes, if the head specifies it. For a response to `HEAD` this is 0;
    /// the length of the omitted body is in the header.
    pub fn content_length(&self) -> Option<u64> {
        self.head.body().size_hint().exact()
    }

    /// Returns the body, to be read with the given limits on idle time.
    pub fn into_body(self, limits: BodyTimeout) -> ResponseBody {
        ResponseBody::new(self.head.into_body(), self.connection, limits)
    }
}
