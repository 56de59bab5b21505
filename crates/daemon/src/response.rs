//! Answers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use windlass_engine_api as api;

use crate::body::Body;

/// An answer.
pub(crate) type ApiResponse = Response<Body>;

/// An answer that is an error (API-3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// Why, in one line, in Docker's words where it has some.
    pub(crate) message: String,
}

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const TAR: HeaderValue = HeaderValue::from_static("application/x-tar");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Answers with a document.
pub(crate) fn json(document: &impl Serialize) -> ApiResponse {
    json_with(StatusCode::OK, document)
}

/// Answers with a document and another status than 200.
pub(crate) fn json_with(status: StatusCode, document: &impl Serialize) -> ApiResponse {
    let mut text = serde_json::to_vec(document).unwrap_or_default();
    text.push(b'\n');
    with_type(status, JSON, Body::Whole(text.into()))
}

/// Answers with a text.
pub(crate) fn text(text: &'static str) -> ApiResponse {
    let body = Body::Whole(Bytes::from_static(text.as_bytes()));
    with_type(StatusCode::OK, TEXT, body)
}

/// Answers with a text that was made for this.
pub(crate) fn text_of(content_type: HeaderValue, text: String) -> ApiResponse {
    with_type(StatusCode::OK, content_type, Body::Whole(text.into()))
}

/// Answers with nothing but a status.
pub(crate) fn empty(status: StatusCode) -> ApiResponse {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

/// Answers with what comes in pieces.
pub(crate) fn stream(content_type: HeaderValue, body: Body) -> ApiResponse {
    with_type(StatusCode::OK, content_type, body)
}

/// Adds a header.
pub(crate) fn with(mut answer: ApiResponse, name: &'static str, value: &str) -> ApiResponse {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    answer
}

fn with_type(status: StatusCode, content_type: HeaderValue, body: Body) -> ApiResponse {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
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

    /// Makes the answer of it.
    pub(crate) fn into_response(self) -> ApiResponse {
        let Self { status, message } = self;
        json_with(status, &api::ErrorResponse { message })
    }
}
