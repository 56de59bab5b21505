use std::time::UNIX_EPOCH;

use http::header::{HeaderValue, WWW_AUTHENTICATE};

use super::*;
use crate::{NextStep, Origin, TagOrDigest};

fn context(kind: RequestKind) -> RequestContext {
    RequestContext {
        origin: Origin::parse("https://reg.test").unwrap(),
        repository: "a/b".to_owned(),
        kind,
    }
}

fn error(kind: RequestKind, status: u16, headers: &HeaderMap, body: &str) -> RegistryError {
    let failed = FailedResponse {
        context: &context(kind),
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        body: body.as_bytes(),
    };
    failed.into_error()
}

fn manifest() -> RequestKind {
    RequestKind::Manifest(TagOrDigest::Tag("3".parse().unwrap()))
}

fn message(status: u16, body: &str) -> String {
    error(manifest(), status, &HeaderMap::new(), body).to_string()
}

fn code(code: &str) -> String {
    format!(
        r#"{{"errors":[{{"code":"{code}","message":"the registry's message"}},{{"code":"X"}}]}}"#
    )
}

/// HT-14.
#[test]
fn codes_and_statuses_are_converted_to_variants() {
    for (status, body, expected) in [
        (401, code("UNAUTHORIZED"), "the registry's message"),
        (401, code("DENIED"), "the registry's message"),
        (401, "<html>".to_owned(), "authentication required"),
        (403, code("DENIED"), "the registry's message"),
        (403, String::new(), "access denied"),
        (
            404,
            code("NAME_UNKNOWN"),
            "no such repository: the registry's message",
        ),
        (
            404,
            code("MANIFEST_UNKNOWN"),
            "no such manifest: the registry's message",
        ),
        (
            404,
            "nothing here".to_owned(),
            "no such manifest: nothing here",
        ),
        (404, "404 page not found\n".to_owned(), "no such manifest"),
        (
            400,
            code("NAME_INVALID"),
            "no such repository: the registry's message",
        ),
        (
            400,
            code("TOOMANYREQUESTS"),
            "too many requests: the registry's message",
        ),
        (418, "junk".to_owned(), "unexpected status 418: junk"),
        (
            418,
            code("TEAPOT"),
            "unexpected status 418: the registry's message",
        ),
        (429, String::new(), "too many requests"),
        (
            500,
            code("UNKNOWN"),
            "unavailable: status 500: the registry's message",
        ),
        (503, "<html>".to_owned(), "unavailable: status 503"),
        (
            403,
            r#"{"details":"old message"}"#.to_owned(),
            "old message",
        ),
    ] {
        let expected = format!("a/b:3 at https://reg.test: {expected}");
        assert_eq!(message(status, &body), expected, "{status} {body}");
    }
}

/// FB-10: of several errors the first counts.
#[test]
fn the_first_of_several_errors_counts() {
    let errors = |first: &str, second: &str| {
        format!(
            r#"{{"errors":[{{"code":"{first}","message":"one"}},{{"code":"{second}","message":"two"}}]}}"#
        )
    };
    for (body, expected) in [
        (errors("DENIED", "MANIFEST_UNKNOWN"), "one"),
        (
            errors("MANIFEST_UNKNOWN", "DENIED"),
            "no such manifest: one",
        ),
    ] {
        let expected = format!("a/b:3 at https://reg.test: {expected}");
        assert_eq!(message(404, &body), expected, "{body}");
    }
}

/// HT-14: `insufficient_scope` rejects the request, not the credentials.
#[test]
fn insufficient_scope_is_denied() {
    let challenge = |error| {
        let mut headers = HeaderMap::new();
        let value = format!(r#"Bearer realm="https://auth.test/",error="{error}""#);
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_str(&value).unwrap());
        headers
    };
    let body = code("UNAUTHORIZED");
    let refused = error(manifest(), 401, &challenge("insufficient_scope"), &body);
    assert!(
        matches!(refused, RegistryError::Denied { .. }),
        "{refused:?}"
    );
    let refused = error(manifest(), 401, &challenge("invalid_token"), &body);
    assert!(
        matches!(refused, RegistryError::Unauthorized { .. }),
        "{refused:?}"
    );
}

/// R9.
#[test]
fn a_registry_cannot_write_to_the_terminal() {
    let body = r#"{"errors":[{"code":"DENIED","message":"\u001b[2Jgone\nnext"}]}"#;
    assert_eq!(
        message(403, body),
        r"a/b:3 at https://reg.test: \u{1b}[2Jgone\nnext"
    );
}

/// T34.
#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = UNIX_EPOCH + Duration::from_secs(784_111_775);
    let of = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        retry_after(&headers, now)
    };
    assert_eq!(of("2"), Some(Duration::from_secs(2)));
    assert_eq!(of("86400"), Some(Duration::from_secs(86_400)));
    assert_eq!(
        of("Sun, 06 Nov 1994 08:49:37 GMT"),
        Some(Duration::from_secs(2))
    );
    assert_eq!(of("Sun, 06 Nov 1994 08:49:30 GMT"), None);
    assert_eq!(of("-5"), None);
    assert_eq!(of("x"), None);
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
}

/// T34.
#[test]
fn a_busy_registry_specifies_when_to_retry() {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
    let after = Some(Duration::from_secs(7));
    for status in [429, 503] {
        let error = error(manifest(), status, &headers, "");
        assert_eq!(error.next_step(), NextStep::Retry { after });
    }
}
