//! Answers that are none: the error envelopes of the specification.

use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_RANGE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::answer::json_response;

/// Why a request is not answered with what it asks for.
///
/// The codes are those of the OCI distribution specification ("Error Codes"), and Docker's registry's where that
/// has none.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    detail: Value,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
            detail: Value::Null,
            header: None,
        }
    }

    pub(crate) fn repository_unknown(name: &str) -> Self {
        let unknown = "repository name not known to registry";
        let refusal = Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", unknown);
        refusal.detail(json!({ "name": name }))
    }

    pub(crate) fn manifest_unknown(reference: &str) -> Self {
        let refusal = Self::new(
            StatusCode::NOT_FOUND,
            "MANIFEST_UNKNOWN",
            "manifest unknown",
        );
        refusal.detail(json!({ "reference": reference }))
    }

    pub(crate) fn blob_unknown(digest: &str) -> Self {
        let refusal = Self::new(
            StatusCode::NOT_FOUND,
            "BLOB_UNKNOWN",
            "blob unknown to registry",
        );
        refusal.detail(json!({ "digest": digest }))
    }

    pub(crate) fn name_invalid() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "NAME_INVALID",
            "invalid repository name",
        )
    }

    pub(crate) fn digest_invalid() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "invalid digest")
    }

    pub(crate) fn page_invalid() -> Self {
        let message = "n is a number, and last something that was listed";
        Self::new(
            StatusCode::BAD_REQUEST,
            "PAGINATION_NUMBER_INVALID",
            message,
        )
    }

    pub(crate) fn no_such_resource() -> Self {
        Self::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "no such resource")
    }

    pub(crate) fn read_only() -> Self {
        let message = "this registry is read-only";
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message);
        refusal.header(ALLOW, HeaderValue::from_static("GET, HEAD"))
    }

    pub(crate) fn too_long() -> Self {
        Self::new(
            StatusCode::URI_TOO_LONG,
            "NAME_INVALID",
            "the request is longer than any name",
        )
    }

    pub(crate) fn no_host() -> Self {
        let message = "a request is addressed to one host";
        Self::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message)
    }

    pub(crate) fn other_host() -> Self {
        let message =
            "this registry is not called that: use its address, or have it allow the name";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "DENIED", message)
    }

    pub(crate) fn range(size: u64) -> Self {
        let message = "the blob has no such bytes";
        let refusal = Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message);
        let range = HeaderValue::try_from(format!("bytes */{size}"));
        refusal.header(CONTENT_RANGE, range.expect("digits can stand in a header"))
    }

    pub(crate) fn failed() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "UNKNOWN",
            "the store could not be read",
        )
    }

    pub(crate) fn busy() -> Self {
        let message = "too many connections";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "TOOMANYREQUESTS", message)
    }

    fn detail(self, detail: Value) -> Self {
        Self { detail, ..self }
    }

    fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        let header = Some((name, value));
        Self { header, ..self }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the body of the answer.
    pub(crate) fn envelope(&self) -> Bytes {
        let mut error = json!({ "code": self.code, "message": self.message });
        if !self.detail.is_null() {
            error["detail"] = self.detail.clone();
        }
        json!({ "errors": [error] }).to_string().into()
    }

    pub(crate) fn into_response(self) -> Response<Bytes> {
        let mut response = json_response(self.envelope());
        *response.status_mut() = self.status;
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
