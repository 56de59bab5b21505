//! Responses with a JSON document.

use bytes::Bytes;
use hyper::Response;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

/// The media type of JSON documents without one of their own.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Returns a JSON document.
pub(crate) fn json_response(document: Bytes) -> Response<Bytes> {
    let length = document.len();
    let mut response = Response::new(document);
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, JSON);
    fields.insert(CONTENT_LENGTH, length.into());
    response
}
