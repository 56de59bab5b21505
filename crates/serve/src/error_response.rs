//! Error responses: the JSON bodies of the OCI distribution specification.

use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_RANGE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::json_response::json_response;

/// An error response.
///
/// The codes are those of the OCI distribution specification ("Error Codes"); where it has none, those of Docker's
/// registry.
#[derive(Debug)]
pub(crate) struct RegistryErrorResponse {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    detail: Value,
    header: Option<(HeaderName, HeaderValue)>,
}

impl RegistryErrorResponse {
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
        let response = Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", unknown);
        response.detail(json!({ "name": name }))
    }

    pub(crate) fn manifest_unknown(reference: &str) -> Self {
        let response = Self::new(
            StatusCode::NOT_FOUND,
            "MANIFEST_UNKNOWN",
            "manifest unknown",
        );
        response.detail(json!({ "reference": reference }))
    }

    pub(crate) fn blob_unknown(digest: &str) -> Self {
        let response = Self::new(
            StatusCode::NOT_FOUND,
            "BLOB_UNKNOWN",
            "blob unknown to registry",
        );
        response.detail(json!({ "digest": digest }))
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

    pub(crate) fn pagination_invalid() -> Self {
        let message = "n has to be a number, and last an entry of the list";
        Self::new(
            StatusCode::BAD_REQUEST,
            "PAGINATION_NUMBER_INVALID",
            message,
        )
    }

    pub(crate) fn no_such_resource() -> Self {
        Self::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "no such resource")
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "this registry is read-only";
        let response = Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message);
        response.header(ALLOW, HeaderValue::from_static("GET, HEAD"))
    }

    pub(crate) fn target_too_long() -> Self {
        Self::new(
            StatusCode::URI_TOO_LONG,
            "NAME_INVALID",
            "the request target is too long",
        )
    }

    pub(crate) fn host_missing() -> Self {
        let message = "a request has to name one host";
        Self::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message)
    }

    pub(crate) fn host_not_allowed() -> Self {
        let message =
            "this host name is not allowed: use an IP address, or allow the name with --allow-host";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "DENIED", message)
    }

    pub(crate) fn range_not_satisfiable(size: u64) -> Self {
        let message = "the blob has no such bytes";
        let response = Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message);
        let range = HeaderValue::try_from(format!("bytes */{size}"));
        response.header(CONTENT_RANGE, range.expect("digits can stand in a header"))
    }

    pub(crate) fn store_unreadable() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "UNKNOWN",
            "the store could not be read",
        )
    }

    pub(crate) fn too_many_connections() -> Self {
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

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the body of the response.
    pub(crate) fn body(&self) -> Bytes {
        let mut error = json!({ "code": self.code, "message": self.message });
        if !self.detail.is_null() {
            error["detail"] = self.detail.clone();
        }
        json!({ "errors": [error] }).to_string().into()
    }

    pub(crate) fn into_response(self) -> Response<Bytes> {
        let mut response = json_response(self.body());
        *response.status_mut() = self.status;
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
