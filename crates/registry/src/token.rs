//! Responses of token servers.

use std::time::Duration;

use http::HeaderValue;
use serde_json::Value;

use crate::credentials::Secret;

/// The minimum lifetime (HT-9). If a token really expires earlier, the registry responds with 401 and it is
/// renewed then.
const MIN_LIFETIME: Duration = Duration::from_secs(60);
/// The maximum lifetime.
const MAX_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// The maximum length of a token in bytes. Servers rarely accept longer headers, and real tokens are below 8
/// KiB.
const MAX_TOKEN_LENGTH: usize = 64 << 10;

/// An access token as an `Authorization` header.
#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    pub(crate) header: HeaderValue,
    pub(crate) lifetime: Duration,
    /// The refresh token, for further tokens.
    pub(crate) refresh_token: Option<Secret>,
}

/// Why the response of a token server is unusable (T27).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a JSON object.
    #[error("the response is not a JSON object")]
    NotJson,
    /// It has neither `token` nor `access_token`.
    #[error("the response contains no token")]
    Missing,
    /// The token has characters that are not allowed in a header, or is too long.
    #[error("the token is not a valid header value")]
    Unusable,
}

impl AccessToken {
    /// Parses the body of a response.
    ///
    /// `access_token` and `token` have the same meaning (HT-9). The token is opaque: nothing in it is parsed
    /// (C20).
    pub(crate) fn parse(body: &[u8]) -> Result<Self, TokenError> {
        let Ok(Value::Object(response)) = serde_json::from_slice(body) else {
            return Err(TokenError::NotJson);
        };
        let token = ["token", "access_token"]
            .iter()
            .filter_map(|name| response.get(*name).and_then(Value::as_str))
            .find(|token| !token.is_empty())
            .ok_or(TokenError::Missing)?;
        let refresh_token = response.get("refresh_token").and_then(Value::as_str);
        let refresh_token =
            refresh_token.filter(|token| !token.is_empty() && token.len() <= MAX_TOKEN_LENGTH);
        Ok(Self {
            header: bearer_header(token).ok_or(TokenError::Unusable)?,
            lifetime: response.get("expires_in").map_or(MIN_LIFETIME, lifetime),
            refresh_token: refresh_token.map(Secret::new),
        })
    }
}

/// Returns the `Authorization` header for `token`, if it is valid.
pub(crate) fn bearer_header(token: &str) -> Option<HeaderValue> {
    let fit = token.len() <= MAX_TOKEN_LENGTH && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !fit {
        return None;
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Parses `expires_in` in seconds; invalid values count as absent.
fn lifetime(expires_in: &Value) -> Duration {
    let seconds = expires_in.as_f64().filter(|seconds| *seconds >= 0.0);
    let longest = MAX_LIFETIME.as_secs_f64();
    let lifetime = Duration::from_secs_f64(seconds.unwrap_or(0.0).min(longest));
    lifetime.max(MIN_LIFETIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life_of(expires_in: &str) -> u64 {
        let body = format!(r#"{{"token":"t","expires_in":{expires_in}}}"#);
        AccessToken::parse(body.as_bytes())
            .unwrap()
            .lifetime
            .as_secs()
    }

    /// HT-9.
    #[test]
    fn token_and_access_token_are_the_same() {
        for body in [
            r#"{"token":"abc"}"#,
            r#"{"access_token":"abc"}"#,
            r#"{"access_token":"abc","token":""}"#,
            r#"{"token":"abc","access_token":"abc","refresh_token":"zzz","scope":"","issued_at":"x"}"#,
        ] {
            let token = AccessToken::parse(body.as_bytes()).unwrap();
            assert_eq!(token.header, "Bearer abc", "{body}");
            assert!(token.header.is_sensitive());
        }
    }

    /// HT-9, T27.
    #[test]
    fn a_lifetime_is_between_a_minute_and_an_hour() {
        assert_eq!(life_of("300"), 300);
        assert_eq!(life_of("0"), 60);
        assert_eq!(life_of("-1"), 60);
        assert_eq!(life_of("1e18"), 3600);
        assert_eq!(life_of("1e308"), 3600);
        assert_eq!(life_of("\"x\""), 60);
        assert_eq!(life_of("null"), 60);
    }

    /// T27.
    #[test]
    fn an_invalid_token_is_rejected() {
        use TokenError::{Missing, NotJson, Unusable};
        for (body, expected) in [
            ("", NotJson),
            ("<html>", NotJson),
            ("[]", NotJson),
            ("{}", Missing),
            (r#"{"token":null}"#, Missing),
            (r#"{"token":7}"#, Missing),
            (r#"{"token":""}"#, Missing),
            (r#"{"error":"denied"}"#, Missing),
            (r#"{"token":"a\r\nX-Evil: 1"}"#, Unusable),
            (r#"{"token":"a\u0000b"}"#, Unusable),
            (r#"{"token":"a b"}"#, Unusable),
            (r#"{"token":"ü"}"#, Unusable),
        ] {
            assert_eq!(
                AccessToken::parse(body.as_bytes()).unwrap_err(),
                expected,
                "{body}"
            );
        }
        let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(MAX_TOKEN_LENGTH + 1));
        assert_eq!(AccessToken::parse(long.as_bytes()).unwrap_err(), Unusable);
    }
}
