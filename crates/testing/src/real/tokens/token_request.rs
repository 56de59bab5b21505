//! Parses token requests: the GET form with a query, and the POST form of `OAuth2`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap};
use url::form_urlencoded;

/// A parsed token request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ParsedTokenRequest {
    pub(super) service: Option<String>,
    /// The scopes one by one, also if a parameter had several.
    pub(super) scopes: Vec<String>,
    /// The GET form has none.
    pub(super) grant_type: Option<String>,
    pub(super) requests_refresh_token: bool,
    pub(super) credentials: PresentedCredentials,
}

/// The credentials of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum PresentedCredentials {
    /// No credentials.
    #[default]
    None,
    Password {
        username: String,
        password: String,
    },
    RefreshToken(String),
    /// Malformed or unsupported credentials.
    Malformed,
}

impl ParsedTokenRequest {
    /// Parses a request; `parameters` are the query of a `GET` or the body of a `POST`.
    pub(super) fn read(method: &Method, headers: &HeaderMap, parameters: &[u8]) -> Self {
        let is_post = *method == Method::POST;
        let mut parsed = Self::default();
        let (mut username, mut password, mut refresh_token) = (None, None, None);
        for (key, value) in form_urlencoded::parse(parameters).into_owned() {
            match key.as_str() {
                "service" => parsed.service = Some(value),
                "scope" => parsed.scopes.extend(value.split(' ').map(str::to_owned)),
                "offline_token" if !is_post => parsed.requests_refresh_token = value == "true",
                "access_type" if is_post => parsed.requests_refresh_token = value == "offline",
                "grant_type" if is_post => parsed.grant_type = Some(value),
                "username" if is_post => username = Some(value),
                "password" if is_post => password = Some(value),
                "refresh_token" if is_post => refresh_token = Some(value),
                _ => {}
            }
        }
        parsed.credentials = match parsed.grant_type.as_deref() {
            None if is_post => PresentedCredentials::Malformed,
            None => PresentedCredentials::basic(headers),
            Some("password") => match (username, password) {
                (Some(username), Some(password)) => {
                    PresentedCredentials::Password { username, password }
                }
                _ => PresentedCredentials::Malformed,
            },
            Some("refresh_token") => refresh_token.map_or(
                PresentedCredentials::Malformed,
                PresentedCredentials::RefreshToken,
            ),
            Some(_) => PresentedCredentials::Malformed,
        };
        parsed
    }
}

impl PresentedCredentials {
    fn basic(headers: &HeaderMap) -> Self {
        let Some(authorization) = headers.get(AUTHORIZATION) else {
            return Self::None;
        };
        let decoded = authorization
            .to_str()
            .ok()
            .and_then(|it| it.strip_prefix("Basic "))
            .and_then(|it| BASE64_STANDARD.decode(it).ok())
            .and_then(|it| String::from_utf8(it).ok());
        let pair = decoded.as_deref().and_then(|it| it.split_once(':'));
        pair.map_or(Self::Malformed, |(username, password)| Self::Password {
            username: username.to_owned(),
            password: password.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_get_form_is_parsed() {
        let mut headers = HeaderMap::new();
        let credentials = BASE64_STANDARD.encode("mate:a:b");
        headers.insert(
            AUTHORIZATION,
            format!("Basic {credentials}").parse().unwrap(),
        );
        let query = b"service=dock&scope=repository:a:pull&scope=repository%3Ab%3Apull+repository:c:push&offline_token=true&account=mate";

        let parsed = ParsedTokenRequest::read(&Method::GET, &headers, query);

        assert_eq!(
            parsed,
            ParsedTokenRequest {
                service: Some("dock".to_owned()),
                scopes: [
                    "repository:a:pull",
                    "repository:b:pull",
                    "repository:c:push"
                ]
                .map(str::to_owned)
                .to_vec(),
                grant_type: None,
                requests_refresh_token: true,
                credentials: PresentedCredentials::Password {
                    username: "mate".to_owned(),
                    password: "a:b".to_owned(),
                },
            }
        );
        let anonymous =
            ParsedTokenRequest::read(&Method::GET, &HeaderMap::new(), b"username=a&password=b");
        assert_eq!(anonymous, ParsedTokenRequest::default());
    }

    #[test]
    fn the_post_form_is_parsed() {
        let read =
            |body| ParsedTokenRequest::read(&Method::POST, &HeaderMap::new(), body).credentials;
        let parsed = b"grant_type=refresh_token&refresh_token=r%2F1&access_type=offline";

        assert_eq!(
            read(parsed),
            PresentedCredentials::RefreshToken("r/1".to_owned())
        );
        assert!(
            ParsedTokenRequest::read(&Method::POST, &HeaderMap::new(), parsed)
                .requests_refresh_token
        );
        assert_eq!(
            read(b"grant_type=password&username=mate&password=a%26b"),
            PresentedCredentials::Password {
                username: "mate".to_owned(),
                password: "a&b".to_owned(),
            }
        );
        for malformed in [
            &b""[..],
            b"grant_type=password&username=mate",
            b"grant_type=code",
        ] {
            assert_eq!(read(malformed), PresentedCredentials::Malformed);
        }
    }
}
