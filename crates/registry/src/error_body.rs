//! Reads the bodies of unsuccessful responses, in the forms that registries and token servers send.

use http::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Map, Value};
use windlass_oci::text::sanitize_up_to;

/// The maximum length of the registry's message in an error, in characters.
const MAX_MESSAGE_LENGTH: usize = 300;

/// The minimum length of a word that is taken for credentials if it follows the name of an authentication scheme: longer
/// than "authentication".
const MIN_CREDENTIALS_LENGTH: usize = 16;

/// Messages that repeat what the status and the code express already.
const STANDARD_MESSAGES: [&str; 16] = [
    "404 page not found",
    "bad gateway",
    "bad request",
    "blob unknown to registry",
    "forbidden",
    "gateway timeout",
    "internal server error",
    "manifest unknown",
    "not found",
    "page not found",
    "repository name not known to registry",
    "service unavailable",
    "too many requests",
    "toomanyrequests",
    "unknown",
    "unknown error",
];

/// The content of an error body. All fields are empty for a body of an unknown form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorBody {
    /// The error code of the distribution protocol, or another one.
    pub(crate) code: String,
    /// The message, on one line, without control characters and shortened.
    pub(crate) message: String,
    /// Whether this is an error of the distribution protocol.
    pub(crate) is_registry_error: bool,
}

impl ErrorBody {
    /// Reads `body`, a response with these headers.
    ///
    /// The form of the OCI distribution specification ("Error Codes") is `{"errors": [{"code", "message"}]}`. Others send
    /// strings in the list, numbers as codes, one object with `message`, `error` or `details`, or plain text.
    pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Self::of_object(&object),
            Ok(Value::String(text)) => Self::of_text(&text),
            Err(_) if is_text(headers) => {
                let text = str::from_utf8(body).unwrap_or_default();
                let is_markup = text.trim_start().starts_with('<');
                Self::of_text(if is_markup { "" } else { text })
            }
            Ok(_) | Err(_) => Self::default(),
        }
    }

    fn of_object(object: &Map<String, Value>) -> Self {
        let errors = object.get("errors").and_then(Value::as_array);
        let errors: Vec<_> = errors.into_iter().flatten().map(Self::of_entry).collect();
        let has_code = errors.iter().any(|error| !error.code.is_empty());
        // The first one counts (FB-10), unless it has no content.
        let with_message = errors.iter().find(|error| !error.message.is_empty());
        let mut chosen = with_message.or(errors.first()).cloned().unwrap_or_default();
        if chosen.message.is_empty() {
            let fields = ["message", "error_description", "details", "detail", "error"];
            let texts = fields.iter().filter_map(|field| object.get(*field));
            chosen.message = texts
                .map(message)
                .find(|it| !it.is_empty())
                .unwrap_or_default();
        }
        // Old registries and token servers send `details` instead of a list (HT-14).
        chosen.is_registry_error = has_code || object.get("details").is_some_and(Value::is_string);
        chosen
    }

    fn of_entry(entry: &Value) -> Self {
        let field = |name| entry.get(name).map(message).unwrap_or_default();
        let own = match entry {
            Value::String(text) => shortened(text),
            _ => field("message"),
        };
        Self {
            code: match entry.get("code") {
                Some(Value::Number(code)) => code.to_string(),
                _ => field("code"),
            },
            message: if own.is_empty() { field("detail") } else { own },
            is_registry_error: false,
        }
    }

    fn of_text(text: &str) -> Self {
        Self {
            message: shortened(text),
            ..Self::default()
        }
    }

    /// Returns the message, unless it only repeats what the status and the code express.
    pub(crate) fn own_message(&self) -> String {
        let message = self.message.trim_end_matches('.');
        // Some registries append the requested name: "manifest unknown: 1.2".
        let (sentence, rest) = message.split_once(": ").unwrap_or((message, ""));
        match STANDARD_MESSAGES
            .iter()
            .any(|it| it.eq_ignore_ascii_case(sentence))
            && !rest.contains(' ')
        {
            true => String::new(),
            false => self.message.clone(),
        }
    }
}

/// Returns the text in a field: itself, or that of the object that some servers send there.
fn message(value: &Value) -> String {
    match value {
        Value::String(text) => shortened(text),
        Value::Object(object) => {
            let mut texts = ["message", "text"]
                .iter()
                .filter_map(|name| object.get(*name));
            let text = texts.find_map(Value::as_str);
            text.map(shortened).unwrap_or_default()
        }
        _ => String::new(),
    }
}

fn shortened(text: &str) -> String {
    sanitize_up_to(without_credentials(text.trim()).trim(), MAX_MESSAGE_LENGTH).to_string()
}

/// Replaces the credentials of an `Authorization` header: error pages of proxies and development servers may repeat the
/// headers of the request.
fn without_credentials(text: &str) -> String {
    let mut follows_scheme = false;
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let mut parts = word.rsplit(|c: char| !c.is_ascii_alphanumeric());
        let last = parts.find(|part| !part.is_empty()).unwrap_or_default();
        let is_secret = follows_scheme && word.trim_end().len() >= MIN_CREDENTIALS_LENGTH;
        follows_scheme = ["basic", "bearer"]
            .iter()
            .any(|it| last.eq_ignore_ascii_case(it));
        if is_secret { "[hidden] " } else { word }
    });
    words.collect()
}

/// Returns whether the body is plain text, as far as the headers show.
fn is_text(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).map(|value| value.to_str());
    match media_type {
        None => true,
        Some(Ok(media_type)) => {
            let essence = media_type.split(';').next().unwrap_or_default().trim();
            ["text/plain", "application/json"]
                .iter()
                .any(|it| essence.eq_ignore_ascii_case(it))
        }
        Some(Err(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    fn parsed(body: &str) -> (String, String, bool) {
        let body = ErrorBody::parse(&HeaderMap::new(), body.as_bytes());
        (body.code, body.message, body.is_registry_error)
    }

    fn expected(code: &str, message: &str, is_registry_error: bool) -> (String, String, bool) {
        (code.to_owned(), message.to_owned(), is_registry_error)
    }

    #[test]
    fn the_message_is_found_in_any_form() {
        for (body, code, message, is_registry_error) in [
            (
                r#"{"errors":[{"code":"DENIED","message":"no","detail":{"x":1}}]}"#,
                "DENIED",
                "no",
                true,
            ),
            (
                r#"{"errors":[{"code":"DENIED","message":null,"detail":null}]}"#,
                "DENIED",
                "",
                true,
            ),
            (
                r#"{"errors":[{"code":"DENIED","detail":"in words"}]}"#,
                "DENIED",
                "in words",
                true,
            ),
            (
                r#"{"errors":[{"code":403,"message":"by policy"}]}"#,
                "403",
                "by policy",
                true,
            ),
            (
                r#"{"errors":[{"status":403,"message":"by Xray"}]}"#,
                "",
                "by Xray",
                false,
            ),
            (
                r#"{"errors":[{"message":{"text":"nested"}}]}"#,
                "",
                "nested",
                false,
            ),
            (r#"{"errors":["log in again"]}"#, "", "log in again", false),
            (
                r#"{"errors":[{"code":"UNKNOWN"},{"code":"DENIED","message":"second"}]}"#,
                "DENIED",
                "second",
                true,
            ),
            (r#"{"errors":null}"#, "", "", false),
            (r#"{"errors":[],"message":"flat"}"#, "", "flat", false),
            (r#"{"error":"by admin"}"#, "", "by admin", false),
            (r#"{"error":{"message":"nested"}}"#, "", "nested", false),
            (
                r#"{"error":"invalid_grant","error_description":"expired"}"#,
                "",
                "expired",
                false,
            ),
            (r#"{"details":"old"}"#, "", "old", true),
            (
                r#"{"details":{"x":1},"errors":[{"code":"DENIED","message":"quota"}]}"#,
                "DENIED",
                "quota",
                true,
            ),
            (r#""a string""#, "", "a string", false),
            ("plain\n text", "", "plain\\n text", false),
            ("<html>", "", "", false),
            ("[1]", "", "", false),
            ("", "", "", false),
        ] {
            let expected = expected(code, message, is_registry_error);
            assert_eq!(parsed(body), expected, "{body}");
        }
    }

    #[test]
    fn only_text_is_shown() {
        let with = |media_type| {
            let value = HeaderValue::from_static(media_type);
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
            ErrorBody::parse(&headers, b"words").message
        };
        assert_eq!(with("text/plain; charset=utf-8"), "words");
        assert_eq!(with("text/html"), "");
        assert_eq!(with("application/octet-stream"), "");
        assert_eq!(ErrorBody::parse(&HeaderMap::new(), b"\xff\xfe").message, "");
    }

    /// I7.
    #[test]
    fn repeated_credentials_are_hidden() {
        for scheme in [
            "Basic",
            "bearer",
            "authorization=Basic",
            "{\"authorization\":\"Bearer",
        ] {
            let body = format!("401: got {scheme} bWU6aHVudGVyMmh1bnRlcjI=, go away");
            let (_, message, _) = parsed(&body);
            assert!(!message.contains("bWU6"), "{message}");
        }
        let harmless = "bearer authentication required for this";
        assert_eq!(parsed(harmless).1, harmless);
    }

    #[test]
    fn a_standard_message_adds_nothing() {
        let own = |message: &str| {
            let body = ErrorBody {
                message: message.to_owned(),
                ..ErrorBody::default()
            };
            body.own_message()
        };
        assert_eq!(own("Manifest unknown"), "");
        assert_eq!(own("manifest unknown: 1.2"), "");
        assert_eq!(own("unknown: ask the owner"), "unknown: ask the owner");
        assert_eq!(own("404 page not found"), "");
        assert_eq!(
            own("artifact team/app:1 not found"),
            "artifact team/app:1 not found"
        );
    }
}
