//! What a token server answers.

use std::time::Duration;

use http::HeaderValue;
use serde_json::Value;

use crate::credentials::Secret;

/// A registry that hands out shorter lives than this is taken to mean this (HT-9); if it means it, it
/// answers 401, and the token is renewed then.
const SHORTEST_LIFE: Duration = Duration::from_secs(60);
/// Nothing is gained by believing in a longer life.
const LONGEST_LIFE: Duration = Duration::from_secs(60 * 60);
/// Headers are seldom accepted beyond this, and tokens in use are under 8 KiB.
const LONGEST_TOKEN: usize = 64 << 10;

/// An access token, as the header that carries it.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    pub(crate) life: Duration,
    /// What further tokens can be had with.
    pub(crate) refresh: Option<Secret>,
}

/// Why the answer of a token server is of no use (T27).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a JSON object.
    #[error("the answer is not a JSON object")]
    NotJson,
    /// It has neither `token` nor `access_token`.
    #[error("no token in the answer")]
    Missing,
    /// The token has characters that no header may carry, or is absurdly long.
    #[error("the token is not one that a header can carry")]
    Unusable,
}

impl Token {
    /// Reads a token from the body of an answer.
    ///
    /// `access_token` and `token` mean the same (HT-9). The token is opaque: nothing in it is read (C20).
    pub(crate) fn parse(body: &[u8]) -> Result<Self, TokenError> {
        let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
            return Err(TokenError::NotJson);
        };
        let token = ["token", "access_token"]
            .iter()
            .filter_map(|name| answer.get(*name).and_then(Value::as_str))
            .find(|token| !token.is_empty())
            .ok_or(TokenError::Missing)?;
        let refresh = answer.get("refresh_token").and_then(Value::as_str);
        let refresh = refresh.filter(|token| !token.is_empty() && token.len() <= LONGEST_TOKEN);
        Ok(Self {
            header: bearer(token).ok_or(TokenError::Unusable)?,
            life: answer.get("expires_in").map_or(SHORTEST_LIFE, life),
            refresh: refresh.map(Secret::new),
        })
    }
}

/// Returns the `Authorization` header for `token`, if it is fit for one.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    let fit = token.len() <= LONGEST_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !fit {
        return None;
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// `expires_in` in seconds; whatever else is there counts as absent.
fn life(expires_in: &Value) -> Duration {
    let seconds = expires_in.as_f64().filter(|seconds| *seconds >= 0.0);
    let longest = LONGEST_LIFE.as_secs_f64();
    let life = Duration::from_secs_f64(seconds.unwrap_or(0.0).min(longest));
    life.max(SHORTEST_LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life_of(expires_in: &str) -> u64 {
        let body = format!(r#"{{"token":"t","expires_in":{expires_in}}}"#);
        Token::parse(body.as_bytes()).unwrap().life.as_secs()
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
            let token = Token::parse(body.as_bytes()).unwrap();
            assert_eq!(token.header, "Bearer abc", "{body}");
            assert!(token.header.is_sensitive());
        }
    }

    /// HT-9, T27.
    #[test]
    fn a_life_is_at_least_a_minute_and_at_most_an_hour() {
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
    fn what_is_no_token_is_refused() {
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
                Token::parse(body.as_bytes()).unwrap_err(),
                expected,
                "{body}"
            );
        }
        let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(LONGEST_TOKEN + 1));
        assert_eq!(Token::parse(long.as_bytes()).unwrap_err(), Unusable);
    }
}
