//! Responses.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use windlass_docker_api as api;

use crate::body::ApiBody;

/// A response.
pub(crate) type ApiResponse = Response<ApiBody>;

/// An error, as it is sent to the client (API-3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// One line, in Docker's wording where it has one.
    pub(crate) message: String,
}

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const TAR: HeaderValue = HeaderValue::from_static("application/x-tar");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Returns a JSON document.
pub(crate) fn json(document: &impl Serialize) -> ApiResponse {
    json_with(StatusCode::OK, document)
}

/// Returns a JSON document with another status than 200.
pub(crate) fn json_with(status: StatusCode, document: &impl Serialize) -> ApiResponse {
    let mut text = serde_json::to_vec(document).unwrap_or_default();
    text.push(b'\n');
    with_type(status, JSON, ApiBody::Whole(text.into()))
}

/// Returns a constant text.
pub(crate) fn text(text: &'static str) -> ApiResponse {
    let body = ApiBody::Whole(Bytes::from_static(text.as_bytes()));
    with_type(StatusCode::OK, TEXT, body)
}

/// Returns a text of any type.
pub(crate) fn text_of(content_type: HeaderValue, text: String) -> ApiResponse {
    with_type(StatusCode::OK, content_type, ApiBody::Whole(text.into()))
}

/// Returns a status without a body.
pub(crate) fn empty(status: StatusCode) -> ApiResponse {
    let mut response = Response::new(ApiBody::empty());
    *response.status_mut() = status;
    response
}

/// Returns a body that is sent in chunks.
pub(crate) fn stream(content_type: HeaderValue, body: ApiBody) -> ApiResponse {
    with_type(StatusCode::OK, content_type, body)
}

/// Adds a header.
pub(crate) fn with(mut response: ApiResponse, name: &'static str, value: &str) -> ApiResponse {
    if let Ok(value) = HeaderValue::from_str(value) {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    response
}

fn with_type(status: StatusCode, content_type: HeaderValue, body: ApiBody) -> ApiResponse {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Returns the error of a request that failed because of a bug. The log has the details.
    pub(crate) fn bug() -> Self {
        Self::internal("internal error: see the log of the daemon")
    }

    /// Converts the error into a response.
    pub(crate) fn into_response(self) -> ApiResponse {
        let Self { status, message } = self;
        json_with(status, &api::ErrorResponse { message })
    }
}
